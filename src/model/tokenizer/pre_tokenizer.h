#pragma once
// Pre-tokenizers: the rules that cut text into words before merging, as hand-written scanners in
// place of the regular expressions that tokenizer.json states. Linear time, no recursion, no
// allocation. Not normalization and not merging. Pure; any thread.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
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
  kQwen35,
  /// With U for [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and V for [\p{Ll}\p{Lm}\p{Lo}\p{M}]:
  /// [^\r\n\p{L}\p{N}]?U*V+(?i:'s|'t|'re|'ve|'m|'ll|'d)?
  /// |[^\r\n\p{L}\p{N}]?U+V*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}
  /// | ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
  kGpt4o,
  /// kGpt4o without contractions and with \p{N} for \p{N}{1,3}.
  kTekken,
  /// \d{1,3}(?=(?:\d{3})*\b) apart: digits in threes from the right; then kGpt4o.
  kTinyAya,
  /// \p{N}{1,3} apart, [\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+ apart, then, for P an ASCII
  /// punctuation: P[A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*
  /// |\s*[\r\n]+|\s+(?!\S)|\s+
  kDeepseekV3,
  /// One after the other, each apart: [\r\n], \s?\p{L}+, \s?\p{P}+,
  /// [\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+, every \p{N}.
  kDeepseekCoder,
  /// As kDeepseekCoder, with the cased letters of an older Unicode for \p{L}, \s?[ASCII and wide
  /// punctuation]+ for \s?\p{P}+, and \s+$ after that.
  kDeepseekLlm,
  /// Runs of punctuation (\p{P} and ASCII's) apart; kGpt2; then, on the bytes as the byte-level
  /// alphabet writes them, runs of numbers and every [0-9][0-9][0-9] apart.
  kFalcon
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

/// The length of the first piece of `rest`, which is not empty and ends where the piece of the
/// stage before ends. `position` is where it starts in the text; `memo` is the stage's own, 0 at
/// first.
using WordStage = size_t (*)(std::string_view rest, size_t position, size_t& memo);

/// Cuts a text into words, from its start to its end. Rules are stages: each cuts the pieces that
/// the one before it made, and sees nothing beyond its piece. Linear in the text.
class WordCutter {
 public:
  WordCutter(WordRules rules, std::string_view text);
  /// The next word; empty at the end of the text.
  std::string_view next();

 private:
  static constexpr size_t kStagesMax = 6;
  std::string_view text_;
  size_t at_ = 0;
  std::span<const WordStage> stages_;
  std::array<size_t, kStagesMax> end_{};   // of the piece that each stage is in
  std::array<size_t, kStagesMax> memo_{};  // how far a stage has looked ahead
};

}  // namespace freehold::model
