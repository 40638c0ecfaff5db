// Pre-tokenizers that cut in several steps: each stage cuts the pieces of the one before (the
// "Isolated" behaviour of tokenizer.json). Where a stage's expression matches, the match is a
// piece; what lies between two matches is one too.

#include <algorithm>

#include "model/tokenizer/bert_text.h"
#include "model/tokenizer/word_scanning.h"

namespace freehold::model {

using unicode::Rune;
using unicode::rune_at;

namespace {

struct Range {
  char32_t first;
  char32_t last;
};

bool is_in(std::span<const Range> ranges, char32_t code) {
  const auto after =
      std::upper_bound(ranges.begin(), ranges.end(), code,
                       [](char32_t value, Range range) { return value < range.first; });
  return after != ranges.begin() && code <= (after - 1)->last;
}

/// Letters with case as deepseek-llm's tokenizer.json lists them one range after the other.
constexpr Range kCasedLetters[] = {
    {0x41, 0x5A},       {0x61, 0x7A},       {0xB5, 0xB5},       {0xC0, 0xD6},
    {0xD8, 0xF6},       {0xF8, 0x1BA},      {0x1BC, 0x1BF},     {0x1C4, 0x293},
    {0x295, 0x2AF},     {0x370, 0x373},     {0x376, 0x376},     {0x377, 0x377},
    {0x37B, 0x37D},     {0x37F, 0x37F},     {0x386, 0x386},     {0x388, 0x38A},
    {0x38C, 0x38C},     {0x38E, 0x3A1},     {0x3A3, 0x3F5},     {0x3F7, 0x481},
    {0x48A, 0x52F},     {0x531, 0x556},     {0x10A0, 0x10C5},   {0x13A0, 0x13F5},
    {0x13F8, 0x13FD},   {0x1C90, 0x1CBA},   {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},
    {0x1D6B, 0x1D77},   {0x1D79, 0x1D9A},   {0x1E00, 0x1F15},   {0x1F18, 0x1F1D},
    {0x1F20, 0x1F45},   {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},
    {0x1F5B, 0x1F5B},   {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},
    {0x1FB6, 0x1FBC},   {0x1FBE, 0x1FBE},   {0x1FC2, 0x1FC4},   {0x1FC6, 0x1FCC},
    {0x1FD0, 0x1FD3},   {0x1FD6, 0x1FDB},   {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},
    {0x1FF6, 0x1FFC},   {0x2102, 0x2102},   {0x2107, 0x2107},   {0x210A, 0x2113},
    {0x2115, 0x2115},   {0x2119, 0x211D},   {0x2124, 0x2124},   {0x2126, 0x2126},
    {0x2128, 0x2128},   {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},
    {0x213C, 0x213F},   {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2183},
    {0x2184, 0x2184},   {0x2C00, 0x2C7B},   {0x2C7E, 0x2CE4},   {0x2CEB, 0x2CEE},
    {0x2CF2, 0x2CF2},   {0x2CF3, 0x2CF3},   {0xA640, 0xA66D},   {0xA680, 0xA69B},
    {0xA722, 0xA76F},   {0xA771, 0xA787},   {0xA78B, 0xA78E},   {0xAB70, 0xABBF},
    {0xFB00, 0xFB06},   {0xFB13, 0xFB17},   {0xFF21, 0xFF3A},   {0xFF41, 0xFF5A},
    {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB}, {0x10C80, 0x10CB2},
    {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943},
};
/// ASCII and wide punctuation, as the same file lists it.
constexpr Range kWidePunctuation[] = {{0x21, 0x2F},     {0x3A, 0x7E},     {0x2018, 0x201F},
                                      {0x3000, 0x3002}, {0xFF01, 0xFF0F}, {0xFF1A, 0xFF5E}};
constexpr Range kHanKana[] = {{0x3040, 0x30FF}, {0x4E00, 0x9FA5}};
constexpr Range kHanHangul[] = {{0x800, 0x4E00}, {0x4E01, 0x9FA5}, {0xAC00, 0xD7FF}};

bool is_ascii_punctuation(char32_t code) {
  return (code >= '!' && code <= '/') || (code >= ':' && code <= '@') ||
         (code >= '[' && code <= '`') || (code >= '{' && code <= '~');
}

bool is_ascii_letter(char32_t code) {
  return (code >= 'A' && code <= 'Z') || (code >= 'a' && code <= 'z');
}

/// The length of the first piece of `rest`: a match of `match` (its length, 0: none) at its start,
/// or everything up to the next one.
template <class Match>
size_t isolate(std::string_view rest, const Match& match) {
  if (const size_t length = match(rest)) return length;
  size_t end = rune_at(rest, 0).length;
  while (end < rest.size() && match(rest.substr(end)) == 0) end += rune_at(rest, end).length;
  return end;
}

/// As isolate(), for X+ where `is` says what is an X: a run, or what lies before the next.
template <class Is>
size_t isolate_runs(std::string_view rest, const Is& is) {
  size_t end = 0;
  const bool wanted = is(rune_at(rest, 0));
  while (end < rest.size() && is(rune_at(rest, end)) == wanted) end += rune_at(rest, end).length;
  return end;
}

/// As isolate(), for \s?X+. A gap's length is found rune by rune: whether a match starts is known
/// from two runes, so no run is walked twice.
template <class Is>
size_t isolate_spaced_runs(std::string_view rest, const Is& is) {
  const auto starts = [&](size_t at) {
    const Rune rune = rune_at(rest, at);
    if (is(rune)) return true;
    return rune.is(unicode::kSpace) && at + rune.length < rest.size() &&
           is(rune_at(rest, at + rune.length));
  };
  size_t end = 0;
  if (!starts(0)) {
    while (end < rest.size() && !starts(end)) end += rune_at(rest, end).length;
    return end;
  }
  const Rune first = rune_at(rest, 0);
  if (first.is(unicode::kSpace)) end = first.length;
  while (end < rest.size() && is(rune_at(rest, end))) end += rune_at(rest, end).length;
  return end;
}

size_t numbers_by_three(std::string_view rest, size_t, size_t&) {
  const auto is_number = [](Rune rune) { return rune.is(unicode::kNumber); };
  if (!is_number(rune_at(rest, 0))) return isolate_runs(rest, is_number);
  size_t end = 0;
  for (size_t count = 0; count < 3 && peek(rest, end).is(unicode::kNumber); ++count) {
    end += peek(rest, end).length;
  }
  return end;
}

size_t each_number(std::string_view rest, size_t, size_t&) {
  const auto is_number = [](Rune rune) { return rune.is(unicode::kNumber); };
  const Rune first = rune_at(rest, 0);
  return is_number(first) ? first.length : isolate_runs(rest, is_number);
}

size_t han_kana(std::string_view rest, size_t, size_t&) {
  return isolate_runs(rest, [](Rune rune) { return is_in(kHanKana, rune.code); });
}

size_t han_hangul(std::string_view rest, size_t, size_t&) {
  return isolate_runs(rest, [](Rune rune) { return is_in(kHanHangul, rune.code); });
}

size_t each_newline(std::string_view rest, size_t, size_t&) {
  return is_newline(rune_at(rest, 0)) ? 1 : isolate_runs(rest, is_newline);
}

size_t spaced_letters(std::string_view rest, size_t, size_t&) {
  return isolate_spaced_runs(rest, [](Rune rune) { return rune.is(unicode::kLetter); });
}

size_t spaced_punctuation(std::string_view rest, size_t, size_t&) {
  return isolate_spaced_runs(rest, [](Rune rune) { return rune.is(unicode::kPunctuation); });
}

size_t spaced_cased_letters(std::string_view rest, size_t, size_t&) {
  return isolate_spaced_runs(rest, [](Rune rune) { return is_in(kCasedLetters, rune.code); });
}

size_t spaced_wide_punctuation(std::string_view rest, size_t, size_t&) {
  return isolate_spaced_runs(rest, [](Rune rune) { return is_in(kWidePunctuation, rune.code); });
}

/// \s+$: the white space at the end of the piece.
size_t trailing_space(std::string_view rest, size_t position, size_t& memo) {
  if (memo > position) return rest.size();  // the gap before it was cut already
  size_t start = 0;
  for (size_t at = 0; at < rest.size();) {
    const Rune rune = rune_at(rest, at);
    at += rune.length;
    if (!rune.is(unicode::kSpace)) start = at;
  }
  if (start == 0 || start == rest.size()) return rest.size();
  memo = position + rest.size();
  return start;
}

/// The main expression of deepseek-v3, or 0.
size_t deepseek_v3_match(std::string_view text) {
  constexpr uint8_t kWord = unicode::kLetter | unicode::kMark;
  constexpr uint8_t kSign = unicode::kPunctuation | unicode::kSymbol;
  const Rune first = rune_at(text, 0);
  const Rune second = peek(text, first.length);
  if (is_ascii_punctuation(first.code) && is_ascii_letter(second.code)) {
    size_t end = 2;
    while (end < text.size() && is_ascii_letter(static_cast<uint8_t>(text[end]))) ++end;
    return end;
  }
  const bool may_lead = !is_newline(first) && !first.is(unicode::kLetter | kSign);
  if (may_lead && second.is(kWord)) return run_of(text, first.length, kWord);
  if (first.is(kWord)) return run_of(text, 0, kWord);
  const size_t start = first.code == ' ' && second.is(kSign) ? 1 : 0;
  if (start == 1 || first.is(kSign)) {
    size_t end = run_of(text, start, kSign);
    while (end < text.size() && (text[end] == '\r' || text[end] == '\n')) ++end;
    return end;
  }
  return line_space_length(text);
}

size_t deepseek_v3_words(std::string_view rest, size_t, size_t&) {
  return isolate(rest, deepseek_v3_match);
}

bool is_decimal_digit(Rune rune) {
  // Nd: numbers that are digits of a positional system. Everything else numeric is Nl or No.
  return rune.is(unicode::kNumber) && unicode::is_decimal(rune.code);
}

/// Beside letters, marks, decimal digits and connectors: numbers that are letters (Nl), letters in
/// circles and squares, and Latin-1's six other numbers.
constexpr Range kOtherWordRunes[] = {
    {0xB2, 0xB3},       {0xB9, 0xB9},       {0xBC, 0xBE},       {0x16EE, 0x16F0},
    {0x2160, 0x2182},   {0x2185, 0x2188},   {0x24B6, 0x24E9},   {0x3007, 0x3007},
    {0x3021, 0x3029},   {0x3038, 0x303A},   {0xA6E6, 0xA6EF},   {0x10140, 0x10174},
    {0x10341, 0x10341}, {0x1034A, 0x1034A}, {0x103D1, 0x103D5}, {0x12400, 0x1246E},
    {0x1F130, 0x1F149}, {0x1F150, 0x1F169}, {0x1F170, 0x1F189}};

/// \w as the package's engine (Oniguruma) has it: what a digit may not touch for a boundary to be
/// there.
bool is_word_rune(Rune rune) {
  return rune.is(unicode::kLetter | unicode::kMark) || is_decimal_digit(rune) ||
         unicode::is_connector(rune.code) || is_in(kOtherWordRunes, rune.code);
}

/// \d{1,3}(?=(?:\d{3})*\b). `memo` is the end of the run of digits it was last in, so that a long
/// run is walked once.
size_t threes_from_right(std::string_view rest, size_t position, size_t& memo) {
  size_t end = 0;
  while (end < rest.size()) {
    if (!is_decimal_digit(rune_at(rest, end))) {
      end += rune_at(rest, end).length;
      continue;
    }
    size_t run = end;
    size_t digits = 0;
    if (position + end < memo) {
      // Inside a run that is cut already: what is left of it is a multiple of three.
      run = memo - position;
      digits = 3;
    } else {
      while (run < rest.size() && is_decimal_digit(rune_at(rest, run))) {
        run += rune_at(rest, run).length;
        ++digits;
      }
    }
    if (run < rest.size() && is_word_rune(rune_at(rest, run))) {
      end = run;  // no boundary behind the run: no match in it
      continue;
    }
    if (end > 0) return end;
    memo = position + run;
    size_t length = 0;
    for (size_t taken = digits % 3 == 0 ? 3 : digits % 3; taken > 0; --taken) {
      length += rune_at(rest, length).length;
    }
    return length;
  }
  return end;
}

size_t punctuation_runs(std::string_view rest, size_t, size_t&) {
  return isolate_runs(rest, [](Rune rune) { return is_bert_punctuation(rune.code); });
}

/// Numbers as they are after bytes were written in the byte-level alphabet, where bytes from 0xA1
/// on are the Latin-1 characters of the same value: ², ³, ¹, ¼, ½ and ¾ are numbers there.
bool is_number_byte(char byte) {
  const auto value = static_cast<uint8_t>(byte);
  return (value >= '0' && value <= '9') || value == 0xB2 || value == 0xB3 || value == 0xB9 ||
         (value >= 0xBC && value <= 0xBE);
}

size_t number_bytes(std::string_view rest, size_t, size_t&) {
  size_t end = 1;
  while (end < rest.size() && is_number_byte(rest[end]) == is_number_byte(rest[0])) ++end;
  return end;
}

size_t three_ascii_digits(std::string_view rest, size_t, size_t&) {
  const auto three_at = [&](size_t at) {
    return at + 3 <= rest.size() && std::all_of(rest.begin() + static_cast<std::ptrdiff_t>(at),
                                                rest.begin() + static_cast<std::ptrdiff_t>(at + 3),
                                                [](char c) { return c >= '0' && c <= '9'; });
  };
  if (three_at(0)) return 3;
  size_t end = 1;
  while (end < rest.size() && !three_at(end)) ++end;
  return end;
}

constexpr WordStage kTinyAyaStages[] = {threes_from_right, gpt4o_stage};
constexpr WordStage kDeepseekV3Stages[] = {numbers_by_three, han_kana, deepseek_v3_words};
constexpr WordStage kDeepseekCoderStages[] = {each_newline, spaced_letters, spaced_punctuation,
                                              han_hangul, each_number};
constexpr WordStage kDeepseekLlmStages[] = {
    each_newline,   spaced_cased_letters, spaced_wide_punctuation,
    trailing_space, han_hangul,           each_number};
constexpr WordStage kFalconStages[] = {punctuation_runs, gpt2_stage, number_bytes,
                                       three_ascii_digits};

}  // namespace

std::span<const WordStage> tiny_aya_stages() { return kTinyAyaStages; }
std::span<const WordStage> deepseek_v3_stages() { return kDeepseekV3Stages; }
std::span<const WordStage> deepseek_coder_stages() { return kDeepseekCoderStages; }
std::span<const WordStage> deepseek_llm_stages() { return kDeepseekLlmStages; }
std::span<const WordStage> falcon_stages() { return kFalconStages; }

}  // namespace freehold::model
