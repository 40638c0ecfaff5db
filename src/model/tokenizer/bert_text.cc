#include "model/tokenizer/bert_text.h"

#include <algorithm>
#include <span>

#include "base/text.h"
#include "model/tokenizer/bert_tables.h"
#include "model/tokenizer/unicode.h"

namespace freehold::model {

namespace {

bool is_in(std::span<const CodeRange> ranges, char32_t code) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), code,
                       [](char32_t value, CodeRange range) { return value < range.first; });
  return after != ranges.begin() && code <= (after - 1)->last;
}

/// A Hangul syllable's jamo (UAX #15, section 16).
void append_jamo(std::string& out, char32_t syllable) {
  const char32_t index = syllable - 0xAC00;
  base::append_utf8(out, 0x1100 + index / 588);
  base::append_utf8(out, 0x1161 + index % 588 / 28);
  if (index % 28 != 0) base::append_utf8(out, 0x11A7 + index % 28);
}

void append_uncased(std::string& out, char32_t code) {
  if (code < 0x80) {
    out.push_back(static_cast<char>(code >= 'A' && code <= 'Z' ? code - 'A' + 'a' : code));
    return;
  }
  if (code >= 0xAC00 && code <= 0xD7A3) return append_jamo(out, code);
  const std::span rows(kUncased, kUncasedCount);
  const auto row = std::lower_bound(
      rows.begin(), rows.end(), code,
      [](const UncasedMapping& mapping, char32_t value) { return mapping.code < value; });
  if (row == rows.end() || row->code != code) return base::append_utf8(out, code);
  for (uint32_t i = 0; i < row->length; ++i) base::append_utf8(out, kUncasedText[row->start + i]);
}

}  // namespace

bool is_bert_punctuation(char32_t code) {
  return is_in({kPunctuationRanges, kPunctuationRangesCount}, code);
}

std::string normalize_bert(std::string_view text, BertCase letter_case) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  const auto append = [&](char32_t code) {
    if (letter_case == BertCase::kUncased) {
      append_uncased(out, code);
    } else {
      base::append_utf8(out, code);
    }
  };
  for (size_t at = 0; at < text.size();) {
    const unicode::Rune rune = unicode::rune_at(text, at);
    at += rune.length;
    if (rune.code == '\t' || rune.code == '\n' || rune.code == '\r') {
      out.push_back(' ');
    } else if (is_in({kControlRanges, kControlRangesCount}, rune.code)) {
      continue;
    } else if (rune.is(unicode::kSpace)) {
      out.push_back(' ');
    } else if (is_in({kHanRanges, kHanRangesCount}, rune.code)) {
      out.push_back(' ');
      append(rune.code);
      out.push_back(' ');
    } else {
      append(rune.code);
    }
  }
  return out;
}

size_t bert_word_length(std::string_view text) {
  const unicode::Rune first = unicode::rune_at(text, 0);
  if (is_bert_punctuation(first.code)) return first.length;
  size_t end = first.length;
  while (end < text.size()) {
    const unicode::Rune rune = unicode::rune_at(text, end);
    if (rune.is(unicode::kSpace) != first.is(unicode::kSpace)) break;
    if (is_bert_punctuation(rune.code)) break;
    end += rune.length;
  }
  return end;
}

}  // namespace freehold::model
