#include "model/tokenizer/unigram_steps.h"

#include "model/tokenizer/token_kinds.h"
#include "model/tokenizer/unicode.h"

namespace freehold::model {

namespace {

constexpr std::string_view kMark = "\xE2\x96\x81";  // ▁, U+2581
/// Clusters of this many bytes and more are mapped character by character (spm_precompiled).
constexpr size_t kClusterBytesMax = 6;

std::string map_clusters(const Charsmap& map, std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  while (!text.empty()) {
    const size_t length = unicode::cluster_length(text);
    std::string_view cluster = text.substr(0, length);
    text.remove_prefix(length);
    if (length < kClusterBytesMax) {
      if (const auto mapped = map.shortest(cluster)) {
        out += *mapped;
        continue;
      }
    }
    while (!cluster.empty()) {
      const base::DecodedRune rune = base::decode_utf8(cluster.substr(0, 4));
      const std::string_view one = cluster.substr(0, rune.length);
      cluster.remove_prefix(rune.length);
      out += rune.valid ? map.shortest(one).value_or(one) : std::string_view("\xEF\xBF\xBD");
    }
  }
  return out;
}

std::string collapse_runs(std::string_view text, std::string_view replacement) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const size_t run = std::min(text.find_first_not_of(' '), text.size());
    if (run >= 2) {
      out += replacement;
    } else {
      out += text.substr(0, run);
    }
    text.remove_prefix(run);
    const size_t plain = std::min(text.find(' '), text.size());
    out += text.substr(0, plain);
    text.remove_prefix(plain);
  }
  return out;
}

/// Appends one word with its spaces written as ▁, cut at every ▁ where the steps say so.
void append_word(const UnigramSteps& steps, std::string_view word, bool prepends,
                 UnigramWords& words) {
  std::string& text = words.text;
  const size_t start = text.size();
  for (const char byte : word) {
    if (byte == ' ') {
      text += kMark;
    } else {
      text.push_back(byte);
    }
  }
  if (prepends && std::string_view(text).substr(start, kMark.size()) != kMark) {
    text.insert(start, kMark);
  }
  if (steps.cuts_at_marks) {
    for (size_t at = text.find(kMark, start + 1); at != std::string::npos;
         at = text.find(kMark, at + 1)) {
      words.ends.push_back(at);
    }
  }
  if (text.size() > start) words.ends.push_back(text.size());
}

}  // namespace

UnigramWords prepare_words(const UnigramSteps& steps, const Charsmap& map, std::string_view text,
                           bool first) {
  std::string mapped;
  if (!map.empty()) text = mapped = map_clusters(map, text);
  const size_t dropped = steps.strips_left ? leading_spaces(text) : 0;
  text.remove_prefix(dropped);
  if (steps.strips_right) text = text.substr(0, spaces_trimmed(text));
  std::string collapsed;
  if (!steps.runs_become.empty()) text = collapsed = collapse_runs(text, steps.runs_become);
  UnigramWords words;
  words.text.reserve(text.size() + text.size() / 4 + 2 * kMark.size());
  const auto prepends = [&](size_t offset) {
    return steps.prepend == UnigramSteps::Prepend::kAlways ||
           (steps.prepend == UnigramSteps::Prepend::kFirst && first && offset + dropped == 0);
  };
  if (!steps.cuts_at_spaces) {
    if (!text.empty()) append_word(steps, text, prepends(0), words);
    return words;
  }
  for (size_t at = leading_spaces(text); at < text.size();) {
    size_t end = at;
    while (end < text.size() && !unicode::rune_at(text, end).is(unicode::kSpace)) {
      end += unicode::rune_at(text, end).length;
    }
    append_word(steps, text.substr(at, end - at), prepends(at), words);
    at = end + leading_spaces(text.substr(end));
  }
  return words;
}

}  // namespace freehold::model
