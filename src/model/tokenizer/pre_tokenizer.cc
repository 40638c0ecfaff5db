#include "model/tokenizer/pre_tokenizer.h"

#include "model/tokenizer/unicode.h"

namespace freehold::model {
namespace {

using unicode::Rune;
using unicode::rune_at;

constexpr uint8_t kWordless = unicode::kSpace | unicode::kLetter | unicode::kNumber;

constexpr PreTokenizer kPreTokenizers[] = {
#define PRE_TOKENIZER(name, rules, normal_form, whole_words_first, adds_bos) \
  {name, WordRules::rules, NormalForm::normal_form, whole_words_first, adds_bos},
#include "model/tokenizer/pre_tokenizers.def"
#undef PRE_TOKENIZER
};

/// A class no code point has: what there is behind the end of the text.
Rune peek(std::string_view text, size_t position) {
  return position < text.size() ? rune_at(text, position) : Rune{0xFFFFFFFF, 0, 0};
}

bool is_newline(Rune rune) { return rune.code == '\r' || rune.code == '\n'; }

/// End of the run of runes from `position` that have one of `classes`.
size_t run_of(std::string_view text, size_t position, uint8_t classes) {
  while (position < text.size()) {
    const Rune rune = rune_at(text, position);
    if (!rune.is(classes)) break;
    position += rune.length;
  }
  return position;
}

/// End of the run of runes from `position` that have none of `classes`.
size_t run_without(std::string_view text, size_t position, uint8_t classes) {
  while (position < text.size()) {
    const Rune rune = rune_at(text, position);
    if (rune.is(classes)) break;
    position += rune.length;
  }
  return position;
}

enum class Case { kExact, kIgnored };

/// Length of 's 't 'm 'd 're 've 'll at the start of `text`, or 0. Where case is ignored, U+017F
/// (long s) folds to s, as the regular expressions of tokenizer.json do it.
size_t contraction_length(std::string_view text, Case letter_case) {
  if (text.size() < 2 || text[0] != '\'') return 0;
  const auto letter = [&](size_t at) -> char {
    if (at >= text.size()) return 0;
    const char byte = text[at];
    if (letter_case == Case::kIgnored && byte >= 'A' && byte <= 'Z') {
      return static_cast<char>(byte - 'A' + 'a');
    }
    return byte;
  };
  const char first = letter(1), second = letter(2);
  if (first == 's' || first == 't' || first == 'm' || first == 'd') return 2;
  if (letter_case == Case::kIgnored && text.substr(1, 2) == "\xC5\xBF") return 3;
  if ((first == 'r' || first == 'v') && second == 'e') return 3;
  if (first == 'l' && second == 'l') return 3;
  return 0;
}

/// \s+(?!\S)|\s+ on a run of white space: all of it at the end of the text, else all but the last
/// rune, else that rune. `apart` are classes that count as an end.
size_t space_length(std::string_view text, uint8_t apart) {
  size_t end = 0, last = 0;
  while (end < text.size()) {
    const Rune rune = rune_at(text, end);
    if (!rune.is(unicode::kSpace)) {
      return last == 0 || rune.is(apart) ? end : last;
    }
    last = end;
    end += rune.length;
  }
  return end;
}

size_t gpt2_word(std::string_view text, bool digits_apart) {
  const Rune first = rune_at(text, 0);
  if (digits_apart && first.is(unicode::kNumber)) return first.length;
  if (const size_t length = contraction_length(text, Case::kExact)) return length;
  const size_t start = first.code == ' ' ? 1 : 0;
  const Rune rune = start == 0 ? first : peek(text, 1);
  if (rune.is(unicode::kLetter)) return run_of(text, start, unicode::kLetter);
  if (rune.is(unicode::kNumber)) {
    return digits_apart ? start : run_of(text, start, unicode::kNumber);
  }
  if (rune.length != 0 && !rune.is(kWordless)) return run_without(text, start, kWordless);
  return space_length(text, digits_apart ? uint8_t{unicode::kNumber} : uint8_t{0});
}

/// \s*[\r\n]+|\s+(?!\S)|\s+: up to the run's last newline, where it has one.
size_t line_space_length(std::string_view text) {
  size_t end = 0, last = 0, newline_end = 0;
  bool at_end = true;
  while (end < text.size()) {
    const Rune rune = rune_at(text, end);
    if (!rune.is(unicode::kSpace)) {
      at_end = false;
      break;
    }
    last = end;
    end += rune.length;
    if (is_newline(rune)) newline_end = end;
  }
  if (newline_end != 0) return newline_end;
  return at_end || last == 0 ? end : last;
}

/// The scanner that llama-3, qwen2 and qwen3.5 share. `letters` make words, at most `digits_max`
/// numbers make one, and what is in neither nor white space makes punctuation.
size_t tiktoken_word(std::string_view text, uint8_t letters, size_t digits_max) {
  if (const size_t length = contraction_length(text, Case::kIgnored)) return length;
  const Rune first = rune_at(text, 0);
  if (first.is(letters)) return run_of(text, first.length, letters);
  if (first.is(unicode::kNumber)) {
    size_t end = first.length;
    for (size_t count = 1; count < digits_max; ++count) {
      const Rune rune = peek(text, end);
      if (!rune.is(unicode::kNumber)) break;
      end += rune.length;
    }
    return end;
  }
  const Rune second = peek(text, first.length);
  if (!is_newline(first) && second.is(letters)) return run_of(text, first.length, letters);
  const uint8_t wordless = kWordless | letters;
  const size_t start = first.code == ' ' ? 1 : 0;
  const Rune rune = start == 0 ? first : second;
  if (rune.length != 0 && !rune.is(wordless)) {
    size_t end = run_without(text, start, wordless);
    while (end < text.size() && (text[end] == '\r' || text[end] == '\n')) ++end;
    return end;
  }
  const size_t length = line_space_length(text);
  return length != 0 ? length : first.length;
}

}  // namespace

const PreTokenizer* find_pre_tokenizer(std::string_view name) {
  for (const PreTokenizer& row : kPreTokenizers) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

size_t word_length(WordRules rules, std::string_view text) {
  switch (rules) {
    case WordRules::kGpt2:
      return gpt2_word(text, false);
    case WordRules::kGpt2DigitsApart:
      return gpt2_word(text, true);
    case WordRules::kLlama3:
      return tiktoken_word(text, unicode::kLetter, 3);
    case WordRules::kQwen2:
      return tiktoken_word(text, unicode::kLetter, 1);
    case WordRules::kQwen35:
      return tiktoken_word(text, unicode::kLetter | unicode::kMark, 1);
  }
  return text.size();
}

}  // namespace freehold::model
