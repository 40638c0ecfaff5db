#pragma once
// Pre-tokenizers: the rules that cut text into words before merging, as hand-written scanners in
// place of the regular expressions that tokenizer.json states. Linear time, no recursion, no
// allocation. Not normalization and not merging. Pure; any thread.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace freehold::model {

/// The scanners. Each states the expression it equals; alternatives in order, first match wins.
enum class WordRules : uint8_t {
  /// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kGpt2,
  /// Every \p{N} alone first; kGpt2 on each stretch between.
  kGpt2DigitsApart,
  /// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*
  /// |\s*[\r\n]+|\s+(?!\S)|\s+
  kLlama3,
  /// kLlama3 with \p{N} for \p{N}{1,3}.
  kQwen2,
  /// kQwen2 with [\p{L}\p{M}]+ for \p{L}+ and marks out of the punctuation class.
  kQwen35
};

enum class NormalForm : uint8_t {
  kAsWritten,
  kNfc  ///< Unicode normalization form C before the words are cut.
};

/// One row of pre_tokenizers.def.
struct PreTokenizer {
  std::string_view name;
  WordRules rules;
  NormalForm normal_form;
  bool whole_words_first;
  bool adds_bos;
};

/// The row of that name, or nullptr.
const PreTokenizer* find_pre_tokenizer(std::string_view name);

/// Bytes of the first word of `text`; at least 1. `text` is not empty and is cut from its start to
/// its end: what precedes it is of no importance to any rule here.
size_t word_length(WordRules rules, std::string_view text);

}  // namespace freehold::model
