#include "cli/line/text_width.h"

#include <algorithm>

#include "base/text.h"
#include "cli/line/width_tables.h"

namespace freehold::cli {

namespace {

constexpr char32_t kReplacement = 0xFFFD;

bool is_in(char32_t rune, const RuneRange* ranges, size_t count) {
  const RuneRange* end = ranges + count;
  const RuneRange* found = std::lower_bound(
      ranges, end, rune, [](const RuneRange& range, char32_t value) { return range.last < value; });
  return found != end && found->first <= rune;
}

/// C0 (less tab and newline), DEL and C1.
bool is_control(char32_t rune) {
  return (rune < 0x20 && rune != '\n' && rune != '\t') || (rune >= 0x7F && rune < 0xA0);
}

}  // namespace

size_t rune_columns(char32_t rune) {
  if (rune < 0x300) return 1;
  if (is_in(rune, kZeroWidth, kZeroWidthCount)) return 0;
  return is_in(rune, kWide, kWideCount) ? 2 : 1;
}

size_t text_columns(std::string_view text) {
  size_t columns = 0;
  while (!text.empty()) {
    const base::DecodedRune rune = base::decode_utf8(text);
    columns += rune_columns(rune.value);
    text.remove_prefix(rune.length);
  }
  return columns;
}

size_t first_cluster(std::string_view text) {
  size_t bytes = base::decode_utf8(text).length;
  while (bytes < text.size()) {
    const base::DecodedRune rune = base::decode_utf8(text.substr(bytes));
    if (rune_columns(rune.value) != 0) break;
    bytes += rune.length;
  }
  return bytes;
}

size_t last_cluster(std::string_view text) {
  size_t begin = text.size();
  while (begin > 0) {
    --begin;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    if (rune_columns(base::decode_utf8(text.substr(begin)).value) != 0) break;
  }
  return text.size() - begin;
}

std::string clean_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const base::DecodedRune rune = base::decode_utf8(text);
    text.remove_prefix(rune.length);
    if (!rune.valid) {
      base::append_utf8(out, kReplacement);
    } else if (rune.value == '\r') {
      if (!text.starts_with('\n')) out += '\n';
    } else if (!is_control(rune.value)) {
      base::append_utf8(out, rune.value);
    }
  }
  return out;
}

std::string harmless_text(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const base::DecodedRune rune = base::decode_utf8(text);
    text.remove_prefix(rune.length);
    if (rune.value == '\r' && text.starts_with('\n')) continue;
    base::append_utf8(out, rune.valid && !is_control(rune.value) ? rune.value : kReplacement);
  }
  return out;
}

}  // namespace freehold::cli
