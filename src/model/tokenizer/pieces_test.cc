// WordPiece and Unigram against the packages they come from (golden/tokenizer, small vocabularies
// trained on this project's own pages), and Unigram against every cut there is.

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>

#include "base/random.h"
#include "model/tokenizer/bert_text.h"
#include "model/tokenizer/charsmap.h"
#include "model/tokenizer/create.h"
#include "model/tokenizer/testing.h"

namespace freehold::model {
namespace {

using Tokens = std::vector<TokenId>;

/// A vocabulary and what its package makes of texts.
struct Golden {
  std::vector<std::string> texts;
  std::vector<double> scores;
  std::vector<int64_t> types;
  std::string charsmap;
  std::vector<std::pair<std::string, Tokens>> cases;

  explicit Golden(const std::string& name) {
    std::ifstream file(std::string(FREEHOLD_SOURCE_DIR) + "/golden/tokenizer/" + name + ".txt");
    std::string kind, text, ids;
    while (file >> kind) {
      if (kind == "T") {
        int64_t type = 0;
        double score = 0;
        file >> type >> score >> text;
        texts.push_back(testing::from_hex(text));
        scores.push_back(score);
        types.push_back(type);
      } else if (kind == "C") {
        file >> text;
        charsmap = testing::from_hex(text);
      } else {
        file >> text >> ids;
        Tokens tokens;
        for (const int64_t id : testing::numbers_of(ids)) {
          tokens.push_back(static_cast<TokenId>(id));
        }
        cases.emplace_back(testing::from_hex(text), tokens);
      }
    }
  }
  Vocabulary vocabulary(std::string_view model) const {
    Vocabulary vocabulary;
    vocabulary.model = model;
    vocabulary.tokens.assign(texts.begin(), texts.end());
    if (model == "t5") vocabulary.scores = scores;
    vocabulary.types = types;
    vocabulary.charsmap = charsmap;
    return vocabulary;
  }
  size_t wrong(const Vocabulary& vocabulary) const {
    const auto tokenizer = MUST(create_tokenizer(vocabulary));
    size_t count = 0;
    for (const auto& [text, tokens] : cases) {
      if (tokenizer->encode(text, SpecialTokens::kPlainText) != tokens) ++count;
    }
    return count;
  }
};

TEST(Unigram, CutsAsSentencePieceDoes) {
  const Golden golden("unigram");
  ASSERT_GT(golden.cases.size(), 150u);
  const auto tokenizer = MUST(create_tokenizer(golden.vocabulary("t5")));
  for (const auto& [text, tokens] : golden.cases) {
    EXPECT_EQ(tokenizer->encode(text, SpecialTokens::kPlainText), tokens) << text;
  }
}

TEST(Unigram, MutantsAreSeen) {
  const Golden golden("unigram");
  Vocabulary keeps_spaces = golden.vocabulary("t5");
  keeps_spaces.removes_extra_spaces = false;
  EXPECT_GT(golden.wrong(keeps_spaces), 10u);
  Vocabulary no_prefix = golden.vocabulary("t5");
  no_prefix.adds_space_prefix = false;
  EXPECT_GT(golden.wrong(no_prefix), 10u);
  Vocabulary no_map = golden.vocabulary("t5");
  no_map.charsmap.clear();
  EXPECT_GT(golden.wrong(no_map), 3u);
  Vocabulary flat = golden.vocabulary("t5");
  for (double& score : flat.scores) score = -1;  // the fewest pieces instead of the best
  EXPECT_GT(golden.wrong(flat), 2u);
}

/// The best sum of scores over every cut of `text`, by trying all of them.
double best_by_trial(const Golden& golden, std::string_view text, double unknown) {
  if (text.empty()) return 0;
  double best = -INFINITY;
  bool has_one = false;
  for (size_t i = 1; i < golden.texts.size(); ++i) {
    if (!text.starts_with(golden.texts[i])) continue;
    has_one = has_one || golden.texts[i].size() == 1;
    best = std::max(best, golden.scores[i] +
                              best_by_trial(golden, text.substr(golden.texts[i].size()), unknown));
  }
  if (!has_one) best = std::max(best, unknown + best_by_trial(golden, text.substr(1), unknown));
  return best;
}

TEST(Unigram, FindsTheBestOfAllCuts) {
  base::RandomStream random(3);
  for (int round = 0; round < 60; ++round) {
    Golden made("none");
    made.texts = {"<unk>"};
    made.scores = {0};
    made.types = {2};
    for (int i = 0; i < 9; ++i) {
      std::string text;
      for (uint32_t n = 1 + random.below(4); n > 0; --n) {
        text.push_back(static_cast<char>('a' + random.below(3)));
      }
      if (std::find(made.texts.begin(), made.texts.end(), text) != made.texts.end()) continue;
      made.texts.push_back(text);
      // Multiples of 1/8: sums are exact, so that equal is equal.
      made.scores.push_back(-static_cast<double>(random.below(64)) / 8);
      made.types.push_back(1);
    }
    Vocabulary vocabulary = made.vocabulary("t5");
    vocabulary.adds_space_prefix = false;
    const auto tokenizer = MUST(create_tokenizer(vocabulary));
    const double unknown = *std::min_element(made.scores.begin(), made.scores.end()) - 10;
    std::string text;
    for (int i = 0; i < 9; ++i) text.push_back(static_cast<char>('a' + random.below(3)));
    double sum = 0;
    size_t known = 0;
    for (const TokenId token : tokenizer->encode(text, SpecialTokens::kPlainText)) {
      if (token == 0) continue;
      sum += made.scores[static_cast<size_t>(token)];
      known += made.texts[static_cast<size_t>(token)].size();
    }
    sum += unknown * static_cast<double>(text.size() - known);
    EXPECT_EQ(sum, best_by_trial(made, text, unknown)) << text;
  }
}

TEST(Unigram, HostileMapsAndPiecesAreRefusedOrHarmless) {
  EXPECT_FALSE(Charsmap::create("abc").ok());
  EXPECT_FALSE(Charsmap::create(std::string("\x08\0\0\0\x01", 5)).ok());
  EXPECT_FALSE(Charsmap::create(std::string("\x04\0\0\0ABCDno end", 14)).ok());
  base::RandomStream random(5);
  for (int round = 0; round < 2000; ++round) {
    std::string blob(4 + 64, '\0');
    blob[0] = 64;
    for (size_t i = 4; i < blob.size(); ++i) blob[i] = static_cast<char>(random.next_u32());
    blob += std::string("xyz\0", 4);
    const auto map = MUST(Charsmap::create(blob));
    for (std::string_view text = "any \xFFtext\xC3"; !text.empty();) {
      size_t length = 0;
      map.first(text, length);
      ASSERT_GE(length, 1u);
      ASSERT_LE(length, text.size());
      text.remove_prefix(length);
    }
  }
  Golden long_piece("unigram");
  long_piece.texts.back() = std::string(300, 'x');
  EXPECT_EQ(create_tokenizer(long_piece.vocabulary("t5")).error().code, ErrorCode::kRefused);
}

TEST(WordPiece, CutsAsTheTokenizersPackageDoes) {
  const Golden golden("wordpiece");
  ASSERT_GT(golden.cases.size(), 150u);
  const auto tokenizer = MUST(create_tokenizer(golden.vocabulary("bert")));
  for (const auto& [text, tokens] : golden.cases) {
    EXPECT_EQ(tokenizer->encode(text, SpecialTokens::kPlainText), tokens) << text;
  }
}

TEST(WordPiece, AWordIsKnownWholeOrNotAtAll) {
  Golden small("none");
  small.texts = {"[UNK]", "[CLS]", "\u2581un",    "\u2581aff",
                 "aff",   "able",  "\u2581unaff", "\u2581!"};
  small.types = {1, 3, 1, 1, 1, 1, 1, 1};
  const auto tokenizer = MUST(create_tokenizer(small.vocabulary("bert")));
  const auto encode = [&](std::string_view text) {
    return tokenizer->encode(text, SpecialTokens::kPlainText);
  };
  EXPECT_EQ(encode("unaffable"), (Tokens{6, 5}));  // the longest piece first
  EXPECT_EQ(encode("UNAFF\u00C4ble"), (Tokens{6, 5}));
  EXPECT_EQ(encode("unaffablex"), (Tokens{0}));
  EXPECT_EQ(encode("aff!aff"), (Tokens{3, 7, 3}));
  EXPECT_EQ(encode(std::string(101, 'u')), (Tokens{0}));
  EXPECT_EQ(encode(" \t\n"), Tokens{});
  EXPECT_EQ(tokenizer->encode("[CLS]un", SpecialTokens::kParse), (Tokens{1, 2}));
  EXPECT_EQ(tokenizer->token_bytes(6), " unaff");
}

TEST(WordPiece, TextIsMadePlain) {
  EXPECT_EQ(normalize_bert("\u00C5B\u0301c\u0000", BertCase::kUncased), "abc");
  EXPECT_EQ(normalize_bert("A\tB\u00A0C\u200B", BertCase::kCased), "A B C");
  EXPECT_EQ(normalize_bert("a\u8A9Eb", BertCase::kCased), "a \u8A9E b");
  EXPECT_EQ(normalize_bert("\uAC01", BertCase::kUncased), "\u1100\u1161\u11A8");
  EXPECT_EQ(normalize_bert("a\xFFz", BertCase::kUncased), "az");
  EXPECT_TRUE(is_bert_punctuation('$'));
  EXPECT_FALSE(is_bert_punctuation(0xA76));  // punctuation since Unicode 10, not in the package
}

TEST(Pieces, AMegabyteOfAnythingIsQuick) {
  const Golden unigram("unigram");
  const Golden wordpiece("wordpiece");
  const auto one = MUST(create_tokenizer(unigram.vocabulary("t5")));
  const auto two = MUST(create_tokenizer(wordpiece.vocabulary("bert")));
  for (const char* unit :
       {"a", " ", "\n", "1", "\xFF", "e\u0301", "\u8A9E", "ab ", "!", "\u2581"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    for (const auto* tokenizer : {one.get(), two.get()}) {
      for (const TokenId token : tokenizer->encode(text, SpecialTokens::kParse)) {
        ASSERT_LT(static_cast<size_t>(token), tokenizer->vocabulary_size());
      }
    }
  }
}

}  // namespace
}  // namespace freehold::model
