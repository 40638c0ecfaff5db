#include "model/tokenizer/pre_tokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "model/tokenizer/testing.h"
#include "model/tokenizer/unicode.h"

namespace freehold::model {
namespace {

using testing::from_hex;
using testing::numbers_of;

struct Case {
  std::string rules, text;
  std::vector<int64_t> lengths;
};

std::vector<Case> read_cases() {
  std::ifstream file(std::string(FREEHOLD_SOURCE_DIR) + "/src/model/tokenizer/testdata/words.txt");
  std::vector<Case> cases;
  std::string rules, text, lengths;
  while (file >> rules >> text >> lengths) {
    cases.push_back({rules, from_hex(text), numbers_of(lengths)});
  }
  return cases;
}

constexpr WordRules kAllRules[] = {
    WordRules::kGpt2,   WordRules::kGpt2DigitsApart, WordRules::kLlama3,
    WordRules::kQwen2,  WordRules::kQwen35,          WordRules::kGpt4o,
    WordRules::kTekken, WordRules::kTinyAya,         WordRules::kDeepseekV3,
    WordRules::kFalcon, WordRules::kDeepseekCoder,   WordRules::kDeepseekLlm};

std::vector<int64_t> cut(WordRules rules, std::string_view text) {
  std::vector<int64_t> lengths;
  WordCutter cutter(rules, text);
  size_t at = 0;
  for (std::string_view word = cutter.next(); !word.empty(); word = cutter.next()) {
    EXPECT_EQ(word.data(), text.data() + at);
    at += word.size();
    lengths.push_back(static_cast<int64_t>(word.size()));
  }
  EXPECT_EQ(at, text.size());
  return lengths;
}

/// The first word alone: all there is to a scanner of one stage.
size_t word_length(WordRules rules, std::string_view text) {
  return WordCutter(rules, text).next().size();
}

TEST(PreTokenizerTest, CutsWordsAsTheExpressionsDo) {
  const std::vector<Case> cases = read_cases();
  ASSERT_GT(cases.size(), 1000u);
  for (const Case& row : cases) {
    const PreTokenizer* rules = find_pre_tokenizer(row.rules);
    ASSERT_NE(rules, nullptr) << row.rules;
    EXPECT_EQ(cut(rules->rules, row.text), row.lengths) << row.rules << " '" << row.text << "'";
  }
}

/// How many cases of `of` a scanner gets wrong.
size_t wrong(const std::string& of, const std::function<size_t(std::string_view)>& scanner) {
  size_t count = 0;
  for (const Case& row : read_cases()) {
    if (row.rules != of) continue;
    std::vector<int64_t> lengths;
    for (std::string_view text = row.text; !text.empty();) {
      const size_t length = scanner(text);
      lengths.push_back(static_cast<int64_t>(length));
      text.remove_prefix(length);
    }
    count += lengths != row.lengths ? 1u : 0u;
  }
  return count;
}

TEST(PreTokenizerTest, MutantsAreSeen) {
  // Digits in threes where they stand alone, and the reverse.
  EXPECT_GT(wrong("qwen2", [](auto text) { return word_length(WordRules::kLlama3, text); }), 5u);
  EXPECT_GT(wrong("llama-bpe", [](auto text) { return word_length(WordRules::kQwen2, text); }), 5u);
  EXPECT_GT(wrong("smollm", [](auto text) { return word_length(WordRules::kGpt2, text); }), 5u);
  // Marks outside letters.
  EXPECT_GT(wrong("qwen35", [](auto text) { return word_length(WordRules::kQwen2, text); }), 5u);
  // Contractions in small letters only.
  EXPECT_GT(wrong("qwen2",
                  [](std::string_view text) {
                    const bool upper = text.size() > 1 && text[0] == '\'' && text[1] == 'T';
                    return upper ? 1 : word_length(WordRules::kQwen2, text);
                  }),
            0u);
  // Without \s+(?!\S) a run of spaces takes the last one too, which belongs to the next word.
  EXPECT_GT(wrong("gpt-2",
                  [](std::string_view text) {
                    const size_t end = std::min(text.find_first_not_of(' '), text.size());
                    return end > 1 ? end : word_length(WordRules::kGpt2, text);
                  }),
            5u);
  // The scanners themselves make none.
  EXPECT_EQ(wrong("qwen2", [](auto text) { return word_length(WordRules::kQwen2, text); }), 0u);
}

/// How many cases of `of` other rules cut otherwise.
size_t differ(const std::string& of, WordRules other) {
  size_t count = 0;
  for (const Case& row : read_cases()) {
    if (row.rules == of && cut(other, row.text) != row.lengths) ++count;
  }
  return count;
}

TEST(PreTokenizerTest, RulesThatAreNearlyTheSameAreNot) {
  EXPECT_GT(differ("gpt-4o", WordRules::kTekken), 5u);   // contractions, digits one by one
  EXPECT_GT(differ("gpt-4o", WordRules::kLlama3), 5u);   // case
  EXPECT_GT(differ("tiny_aya", WordRules::kGpt4o), 5u);  // threes from the left
  EXPECT_GT(differ("deepseek-v3", WordRules::kLlama3), 5u);
  EXPECT_GT(differ("deepseek-coder", WordRules::kDeepseekLlm), 5u);
  EXPECT_GT(differ("falcon", WordRules::kGpt2), 5u);
}

TEST(PreTokenizerTest, WhatBacktrackingDecides) {
  using Lengths = std::vector<int64_t>;
  // U* gives back up to the last rune that could end a word; capitals alone need the second rule.
  EXPECT_EQ(cut(WordRules::kGpt4o, "\u8A9EABC"), (Lengths{3, 3}));
  EXPECT_EQ(cut(WordRules::kGpt4o, "ABCdef"), (Lengths{6}));
  EXPECT_EQ(cut(WordRules::kGpt4o, " ABC'S x"), (Lengths{6, 2}));
  EXPECT_EQ(cut(WordRules::kTekken, " ABC'S x"), (Lengths{4, 2, 2}));
  // A mark may lead or belong to the word.
  EXPECT_EQ(cut(WordRules::kGpt4o, "\u0301ABC"), (Lengths{2, 3}));
  EXPECT_EQ(cut(WordRules::kGpt4o, "\u0301abc"), (Lengths{5}));
  // Threes from the right, unless a letter follows.
  EXPECT_EQ(cut(WordRules::kTinyAya, "1234567"), (Lengths{1, 3, 3}));
  EXPECT_EQ(cut(WordRules::kTinyAya, "1234567 12345"), (Lengths{1, 3, 3, 1, 2, 3}));
  EXPECT_EQ(cut(WordRules::kTinyAya, "1234567a"), (Lengths{3, 3, 1, 1}));
  EXPECT_EQ(cut(WordRules::kTinyAya, "1234\u00B3"), (Lengths{3, 3}));     // ³ is a word's,
  EXPECT_EQ(cut(WordRules::kTinyAya, "1234\u2074"), (Lengths{1, 3, 3}));  // ⁴ is not
  // A number that falcon's byte alphabet makes of the last byte of a letter.
  EXPECT_EQ(cut(WordRules::kFalcon, "\u00FC"), (Lengths{1, 1}));
}

TEST(PreTokenizerTest, BytesThatAreNotTextCountAsSymbols) {
  for (const WordRules rules : {WordRules::kGpt2, WordRules::kGpt2DigitsApart, WordRules::kLlama3,
                                WordRules::kQwen2, WordRules::kQwen35, WordRules::kTekken}) {
    EXPECT_EQ(cut(rules, "ab\xFF\xC3(c"), (std::vector<int64_t>{2, 3, 1}));
    EXPECT_EQ(cut(rules, "\xE4\xB8"), (std::vector<int64_t>{2}));
  }
  for (const WordRules rules : kAllRules) cut(rules, "ab\xFF\xC3(c\xE4\xB8 \xF0\x9F");
}

TEST(PreTokenizerTest, ALongRunIsOnePass) {
  // Each of these made a scanner that looks back or ahead at every step quadratic.
  for (const char* unit :
       {"a", " ",       "\n", "1",  "'",  "=",      " \n",    "\xE3\x80\x80", "a ",  "\xFF",
        "A", "\u8A9EA", "1a", "aA", "1 ", "\u0301", "\u4E00", "\xC3",         "/\n", " !"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    for (const WordRules rules : kAllRules) {
      int64_t sum = 0;
      for (const int64_t length : cut(rules, text)) sum += length;
      EXPECT_EQ(sum, static_cast<int64_t>(text.size()));
    }
  }
}

TEST(PreTokenizerTest, UnknownNamesHaveNoRow) {
  EXPECT_EQ(find_pre_tokenizer("no-such"), nullptr);
  EXPECT_EQ(find_pre_tokenizer(""), nullptr);
  ASSERT_NE(find_pre_tokenizer("qwen2"), nullptr);
  EXPECT_EQ(find_pre_tokenizer("qwen2")->normal_form, NormalForm::kNfc);
}

TEST(UnicodeTest, ClassesOfWellKnownCodePoints) {
  using namespace unicode;
  EXPECT_EQ(class_of('A'), kLetter | kUpper);
  EXPECT_EQ(class_of('z'), kLetter | kLower);
  EXPECT_EQ(class_of(U'ǅ'), kLetter | kUpper);
  EXPECT_EQ(class_of(U'語'), kLetter);
  EXPECT_EQ(class_of(U'½'), kNumber);
  EXPECT_EQ(class_of(0x301), kMark);
  EXPECT_EQ(class_of(0x3000), kSpace);
  EXPECT_EQ(class_of(0x200B), 0);  // a format character, not white space
  EXPECT_EQ(class_of('$'), kSymbol);
  EXPECT_EQ(class_of('!'), kPunctuation);
  EXPECT_EQ(class_of(0x1C89), kLetter | kUpper);  // new in Unicode 16
  EXPECT_EQ(class_of(0xD800), 0);
  EXPECT_EQ(class_of(0x110000), 0);
}

TEST(UnicodeTest, NormalizationFormC) {
  using unicode::to_nfc;
  EXPECT_EQ(to_nfc("e\u0301"), "\u00E9");
  EXPECT_EQ(to_nfc("\u212B"), "\u00C5");                // Angstrom sign
  EXPECT_EQ(to_nfc("q\u0307\u0323"), "q\u0323\u0307");  // marks in order
  EXPECT_EQ(to_nfc("\u1100\u1161\u11A8"), "\uAC01");    // Hangul
  EXPECT_EQ(to_nfc("\uAC00\u11A8"), "\uAC01");          // syllable and tail
  EXPECT_EQ(to_nfc("\u0958"), "\u0915\u093C");          // composition exclusion
  EXPECT_EQ(to_nfc("a\u0315\u0300\u05AE\u0300b"), "\u00E0\u05AE\u0300\u0315b");
  EXPECT_EQ(to_nfc("e\xFF\u0301"), "e\xFF\u0301");  // a bad byte keeps them apart
  EXPECT_EQ(to_nfc("plain"), "plain");
  EXPECT_TRUE(unicode::is_surely_nfc("plain \u00A0\u00BF"));
  EXPECT_FALSE(unicode::is_surely_nfc("e\u0301"));
}

TEST(Unicode, Clusters) {
  // UAX #29's own examples, by rule.
  using unicode::cluster_length;
  EXPECT_EQ(cluster_length("ab"), 1u);
  EXPECT_EQ(cluster_length("\r\n\n"), 2u);                              // GB3
  EXPECT_EQ(cluster_length("\n\u0301"), 1u);                            // GB4
  EXPECT_EQ(cluster_length("a\n"), 1u);                                 // GB5
  EXPECT_EQ(cluster_length("\u1100\u1161\u11A8\u1100"), 9u);            // GB6 to GB8
  EXPECT_EQ(cluster_length("\uAC00\u11A8\u1161"), 6u);                  // LV T | V
  EXPECT_EQ(cluster_length("\uAC01\u1161"), 3u);                        // LVT | V
  EXPECT_EQ(cluster_length("e\u0301\u200Dx"), 6u);                      // GB9
  EXPECT_EQ(cluster_length("a\u0903b"), 4u);                            // GB9a
  EXPECT_EQ(cluster_length("\u0600A\u0301b"), 5u);                      // GB9b
  EXPECT_EQ(cluster_length("\u0915\u094D\u0924\u0915"), 9u);            // GB9c
  EXPECT_EQ(cluster_length("\u0915\u200D\u0924"), 6u);                  // … not without a linker
  EXPECT_EQ(cluster_length("\U0001F468\u200D\U0001F469\u200Dx"), 14u);  // GB11
  EXPECT_EQ(cluster_length("a\u200D\U0001F469"), 4u);               // … only after a pictograph
  EXPECT_EQ(cluster_length("\U0001F1E9\U0001F1EA\U0001F1EB"), 8u);  // GB12: flags in pairs
  EXPECT_EQ(cluster_length("\xFF\xFE"), 1u);
}

}  // namespace
}  // namespace freehold::model
