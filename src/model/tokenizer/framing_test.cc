#include "model/tokenizer/framing.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "model/tokenizer/create.h"

namespace freehold::model {
namespace {

using Tokens = std::vector<TokenId>;

/// [PAD] [UNK] [CLS] [SEP] and two words.
Vocabulary bert() {
  Vocabulary vocabulary;
  vocabulary.model = "bert";
  vocabulary.tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581cat", "\u2581mat"};
  vocabulary.types = {3, 2, 3, 3, 1, 1};
  return vocabulary;
}

/// <s> <pad> </s> <unk> and two words, as XLM-RoBERTa's files have them.
Vocabulary roberta() {
  Vocabulary vocabulary;
  vocabulary.model = "t5";
  vocabulary.tokens = {"<s>", "<pad>", "</s>", "<unk>", "\u2581cat", "\u2581mat"};
  vocabulary.types = {3, 3, 3, 2, 1, 1};
  vocabulary.scores = {0, 0, 0, 0, -1, -1};
  vocabulary.bos = 0;
  vocabulary.eos = 2;
  vocabulary.adds_bos = true;
  return vocabulary;
}

TEST(Framing, AnEncodersTextHasItsTokensAroundIt) {
  const auto plain = MUST(create_tokenizer(bert()));
  EXPECT_EQ(frame(*plain, "Cat mat").tokens, (Tokens{2, 4, 5, 3}));
  EXPECT_EQ(frame(*plain, "").tokens, (Tokens{2, 3}));
  const Tokens written = frame(*plain, "[SEP]").tokens;
  EXPECT_EQ(std::count(written.begin(), written.end(), 3), 1);  // what people write is text
  const auto unigram = MUST(create_tokenizer(roberta()));
  EXPECT_EQ(frame(*unigram, "cat").tokens, (Tokens{0, 4, 2}));
}

TEST(Framing, IdsByKeysOrByTheirTexts) {
  Vocabulary vocabulary = bert();
  vocabulary.cls = 2;
  vocabulary.separator = 3;
  EXPECT_EQ(frame(*MUST(create_tokenizer(vocabulary)), "cat").tokens, (Tokens{2, 4, 3}));
  vocabulary.bos = 5;  // a file that says it is believed
  vocabulary.adds_eos = false;
  EXPECT_EQ(frame(*MUST(create_tokenizer(vocabulary)), "cat").tokens, (Tokens{5, 4}));
}

TEST(Framing, PairsAreDividedAsTheirFamilyDoes) {
  const auto plain = MUST(frame_pair(*MUST(create_tokenizer(bert())), "cat", "mat cat"));
  EXPECT_EQ(plain.tokens, (Tokens{2, 4, 3, 5, 4, 3}));
  EXPECT_EQ(plain.second_from, 3u);
  const auto doubled = MUST(frame_pair(*MUST(create_tokenizer(roberta())), "cat", "mat"));
  EXPECT_EQ(doubled.tokens, (Tokens{0, 4, 2, 2, 5, 2}));
  EXPECT_EQ(doubled.second_from, 4u);
  Vocabulary endless = roberta();
  endless.eos.reset();
  EXPECT_EQ(frame_pair(*MUST(create_tokenizer(endless)), "cat", "mat").error().code,
            ErrorCode::kRefused);
}

TEST(Framing, ATemplatesMarksAreReadAndPeoplesAreNot) {
  const auto tokenizer = MUST(create_tokenizer(bert()));
  const auto framed =
      MUST(frame_by_template(*tokenizer, "[MASK]{query}[SEP]{document}[SEP]", "cat", "[SEP] mat"));
  EXPECT_EQ(std::count(framed.tokens.begin(), framed.tokens.end(), 3), 2);
  EXPECT_EQ(framed.tokens.front(), 2);
  for (const char* without : {"{query}", "{document} {query}", "none"}) {
    EXPECT_EQ(frame_by_template(*tokenizer, without, "a", "b").error().code, ErrorCode::kRefused);
  }
}

TEST(Framing, LetterCaseAsTheFileSays) {
  Vocabulary vocabulary = bert();
  vocabulary.lower_case = false;
  const auto cased = MUST(create_tokenizer(vocabulary));
  EXPECT_EQ(frame(*cased, "Cat cat").tokens, (Tokens{2, 1, 4, 3}));
  vocabulary.strips_accents = true;
  EXPECT_EQ(create_tokenizer(vocabulary).error().code, ErrorCode::kRefused);
}

}  // namespace
}  // namespace freehold::model
