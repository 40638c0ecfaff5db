#include "model/tokenizer/pre_tokenizer.h"

#include "base/check.h"
#include "model/tokenizer/unicode.h"
#include "model/tokenizer/word_scanning.h"

namespace freehold::model {

using unicode::Rune;
using unicode::rune_at;

namespace {

constexpr PreTokenizer kPreTokenizers[] = {
#define PRE_TOKENIZER(name, rules, normal_form, whole_words_first, adds_bos) \
  {name, WordRules::rules, NormalForm::normal_form, whole_words_first, adds_bos},
#include "model/tokenizer/pre_tokenizers.def"
#undef PRE_TOKENIZER
};

}  // namespace

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

namespace {

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

/// [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] and [\p{Ll}\p{Lm}\p{Lo}\p{M}]: only letters have a case bit.
bool may_start(Rune rune) {
  return rune.is(unicode::kMark) || (rune.is(unicode::kLetter) && !rune.is(unicode::kLower));
}
bool may_end(Rune rune) {
  return rune.is(unicode::kMark) || (rune.is(unicode::kLetter) && !rune.is(unicode::kUpper));
}

/// U*V+ from `from`: the end of the match, or 0 where there is none. `run_end` gets the end of U*.
size_t cased_word(std::string_view text, size_t from, size_t& run_end) {
  size_t end = from;
  size_t last = 0;  // end of the last rune of the run that could be a V as well
  while (end < text.size()) {
    const Rune rune = rune_at(text, end);
    if (!may_start(rune)) break;
    end += rune.length;
    if (may_end(rune)) last = end;
  }
  run_end = end;
  // What stops the run and is a V is a small letter; without one, U* gives back up to the last V.
  if (end == text.size() || !may_end(rune_at(text, end))) return last;
  while (end < text.size() && may_end(rune_at(text, end))) end += rune_at(text, end).length;
  return end;
}

/// The scanner that gpt-4o and tekken share.
size_t cased_words(std::string_view text, Case contractions, size_t digits_max) {
  const Rune first = rune_at(text, 0);
  const bool may_lead = !is_newline(first) && !first.is(unicode::kLetter | unicode::kNumber);
  size_t after_lead = 0, after_none = 0;
  size_t end = may_lead ? cased_word(text, first.length, after_lead) : 0;
  if (end == 0) end = cased_word(text, 0, after_none);
  if (end == 0 && may_lead && after_lead > first.length) end = after_lead;
  if (end == 0) end = after_none;
  if (end != 0) {
    const bool has = contractions == Case::kIgnored;
    return has ? end + contraction_length(text.substr(end), Case::kIgnored) : end;
  }
  if (first.is(unicode::kNumber)) {
    end = first.length;
    for (size_t count = 1; count < digits_max && peek(text, end).is(unicode::kNumber); ++count) {
      end += peek(text, end).length;
    }
    return end;
  }
  const size_t start = first.code == ' ' ? 1 : 0;
  const Rune rune = start == 0 ? first : peek(text, 1);
  if (rune.length != 0 && !rune.is(kWordless)) {
    end = run_without(text, start, kWordless);
    while (end < text.size() && (text[end] == '\r' || text[end] == '\n' || text[end] == '/')) ++end;
    return end;
  }
  const size_t length = line_space_length(text);
  return length != 0 ? length : first.length;
}

size_t gpt2_digits_apart_stage(std::string_view rest, size_t, size_t&) {
  return gpt2_word(rest, true);
}
size_t llama3_stage(std::string_view rest, size_t, size_t&) {
  return tiktoken_word(rest, unicode::kLetter, 3);
}
size_t qwen2_stage(std::string_view rest, size_t, size_t&) {
  return tiktoken_word(rest, unicode::kLetter, 1);
}
size_t qwen35_stage(std::string_view rest, size_t, size_t&) {
  return tiktoken_word(rest, unicode::kLetter | unicode::kMark, 1);
}
size_t tekken_stage(std::string_view rest, size_t, size_t&) {
  return cased_words(rest, Case::kExact, 1);
}

constexpr WordStage kGpt2Stages[] = {gpt2_stage};
constexpr WordStage kGpt2DigitsApartStages[] = {gpt2_digits_apart_stage};
constexpr WordStage kLlama3Stages[] = {llama3_stage};
constexpr WordStage kQwen2Stages[] = {qwen2_stage};
constexpr WordStage kQwen35Stages[] = {qwen35_stage};
constexpr WordStage kGpt4oStages[] = {gpt4o_stage};
constexpr WordStage kTekkenStages[] = {tekken_stage};

std::span<const WordStage> stages_of(WordRules rules) {
  switch (rules) {
    case WordRules::kGpt2:
      return kGpt2Stages;
    case WordRules::kGpt2DigitsApart:
      return kGpt2DigitsApartStages;
    case WordRules::kLlama3:
      return kLlama3Stages;
    case WordRules::kQwen2:
      return kQwen2Stages;
    case WordRules::kQwen35:
      return kQwen35Stages;
    case WordRules::kGpt4o:
      return kGpt4oStages;
    case WordRules::kTekken:
      return kTekkenStages;
    case WordRules::kTinyAya:
      return tiny_aya_stages();
    case WordRules::kDeepseekV3:
      return deepseek_v3_stages();
    case WordRules::kDeepseekCoder:
      return deepseek_coder_stages();
    case WordRules::kDeepseekLlm:
      return deepseek_llm_stages();
    case WordRules::kFalcon:
      return falcon_stages();
  }
  return kGpt2Stages;
}

}  // namespace

size_t gpt2_stage(std::string_view rest, size_t, size_t&) { return gpt2_word(rest, false); }
size_t gpt4o_stage(std::string_view rest, size_t, size_t&) {
  return cased_words(rest, Case::kIgnored, 3);
}

WordCutter::WordCutter(WordRules rules, std::string_view text)
    : text_(text), stages_(stages_of(rules)) {
  CHECK(stages_.size() <= kStagesMax);
}

std::string_view WordCutter::next() {
  if (at_ == text_.size()) return {};
  size_t outer = text_.size();
  for (size_t stage = 0; stage < stages_.size(); ++stage) {
    if (end_[stage] == at_) {
      end_[stage] = at_ + stages_[stage](text_.substr(at_, outer - at_), at_, memo_[stage]);
    }
    outer = end_[stage];
  }
  const std::string_view word = text_.substr(at_, outer - at_);
  at_ = outer;
  return word;
}

const PreTokenizer* find_pre_tokenizer(std::string_view name) {
  for (const PreTokenizer& row : kPreTokenizers) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

}  // namespace freehold::model
