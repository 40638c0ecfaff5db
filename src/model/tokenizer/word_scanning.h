#pragma once
// Steps that the scanners of pre_tokenizer.cc and word_stages.cc share. Internal to the tokenizer.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/tokenizer/pre_tokenizer.h"
#include "model/tokenizer/unicode.h"

namespace freehold::model {

/// What is neither white space nor a letter nor a number has none of these.
inline constexpr uint8_t kWordless = unicode::kSpace | unicode::kLetter | unicode::kNumber;

/// A class no code point has: what there is behind the end of the text.
inline unicode::Rune peek(std::string_view text, size_t position) {
  return position < text.size() ? unicode::rune_at(text, position)
                                : unicode::Rune{0xFFFFFFFF, 0, 0};
}

inline bool is_newline(unicode::Rune rune) { return rune.code == '\r' || rune.code == '\n'; }

/// End of the run of runes from `position` that have one of `classes`.
inline size_t run_of(std::string_view text, size_t position, uint8_t classes) {
  while (position < text.size()) {
    const unicode::Rune rune = unicode::rune_at(text, position);
    if (!rune.is(classes)) break;
    position += rune.length;
  }
  return position;
}

/// End of the run of runes from `position` that have none of `classes`.
inline size_t run_without(std::string_view text, size_t position, uint8_t classes) {
  while (position < text.size()) {
    const unicode::Rune rune = unicode::rune_at(text, position);
    if (rune.is(classes)) break;
    position += rune.length;
  }
  return position;
}

/// Length of 's 't 'm 'd 're 've 'll at the start of `text`, or 0. Where case is ignored, U+017F
/// (long s) folds to s, as the regular expressions of tokenizer.json do it.
enum class Case { kExact, kIgnored };
size_t contraction_length(std::string_view text, Case letter_case);

/// \s*[\r\n]+|\s+(?!\S)|\s+ at the start of `text`: up to the run's last newline, where it has one;
/// 0 where no white space is there.
size_t line_space_length(std::string_view text);

/// Stages of their own file, word_stages.cc.
std::span<const WordStage> tiny_aya_stages();
std::span<const WordStage> deepseek_v3_stages();
std::span<const WordStage> deepseek_coder_stages();
std::span<const WordStage> deepseek_llm_stages();
std::span<const WordStage> falcon_stages();
/// And of pre_tokenizer.cc.
size_t gpt2_stage(std::string_view rest, size_t position, size_t& memo);
size_t gpt4o_stage(std::string_view rest, size_t position, size_t& memo);

}  // namespace freehold::model
