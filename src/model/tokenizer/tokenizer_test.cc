#include "model/tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "io/file.h"
#include "model/gguf/gguf.h"
#include "model/tokenizer/create.h"
#include "model/tokenizer/testing.h"

namespace freehold::model {
namespace {

using Tokens = std::vector<TokenId>;

/// A byte-level vocabulary: printable ASCII, "Ġ" for a space, "Ċ" for a newline, what merges make,
/// and three tokens that are written out.
class ByteLevelVocabulary {
 public:
  explicit ByteLevelVocabulary(std::vector<std::string> merges,
                               std::vector<std::string> more = {}) {
    for (char byte = '!'; byte <= '~'; ++byte) add(std::string(1, byte));
    add("\u0120");
    add("\u010A");
    for (const std::string& token : more) add(token);
    merges_ = std::move(merges);
    for (const std::string& merge : merges_) {
      std::string joined = merge;
      joined.erase(joined.find(' '), 1);
      if (std::find(texts_.begin(), texts_.end(), joined) == texts_.end()) add(joined);
    }
    add("<|im_end|>", TokenType::kControl);
    add("<tool>", TokenType::kUserDefined);
    add("<tool>>", TokenType::kUserDefined);
  }
  void add(const std::string& text, TokenType type = TokenType::kNormal) {
    texts_.push_back(text);
    types_.push_back(static_cast<int64_t>(type));
  }
  TokenId id(const std::string& text) const {
    return static_cast<TokenId>(std::find(texts_.begin(), texts_.end(), text) - texts_.begin());
  }
  Vocabulary vocabulary(std::string_view pre = "gpt-2") const {
    Vocabulary vocabulary;
    vocabulary.model = "gpt2";
    vocabulary.pre = pre;
    vocabulary.tokens.assign(texts_.begin(), texts_.end());
    vocabulary.types = types_;
    vocabulary.merges.assign(merges_.begin(), merges_.end());
    vocabulary.eos = static_cast<uint64_t>(id("<|im_end|>"));
    return vocabulary;
  }

 private:
  std::vector<std::string> texts_, merges_;
  std::vector<int64_t> types_;
};

/// A SentencePiece vocabulary of <unk> <s> </s>, 256 bytes and what is added.
class SpmVocabulary {
 public:
  SpmVocabulary() {
    add("<unk>", 0, TokenType::kUnknown);
    add("<s>", 0, TokenType::kControl);
    add("</s>", 0, TokenType::kControl);
    for (int byte = 0; byte < 256; ++byte) {
      char text[8];
      std::snprintf(text, sizeof(text), "<0x%02X>", byte);
      add(text, 0, TokenType::kByte);
    }
  }
  void add(const std::string& text, double score, TokenType type = TokenType::kNormal) {
    texts_.push_back(text);
    scores_.push_back(score);
    types_.push_back(static_cast<int64_t>(type));
  }
  TokenId id(const std::string& text) const {
    return static_cast<TokenId>(std::find(texts_.begin(), texts_.end(), text) - texts_.begin());
  }
  Vocabulary vocabulary() const {
    Vocabulary vocabulary;
    vocabulary.model = "llama";
    vocabulary.tokens.assign(texts_.begin(), texts_.end());
    vocabulary.scores = scores_;
    vocabulary.types = types_;
    return vocabulary;
  }

 private:
  std::vector<std::string> texts_;
  std::vector<double> scores_;
  std::vector<int64_t> types_;
};

std::unique_ptr<Tokenizer> made(const Vocabulary& vocabulary) {
  auto tokenizer = create_tokenizer(vocabulary);
  EXPECT_TRUE(tokenizer.ok()) << (tokenizer.ok() ? "" : tokenizer.error().message);
  return tokenizer.ok() ? std::move(tokenizer).value() : nullptr;
}

void expect_error(const Vocabulary& vocabulary, ErrorCode code, std::string_view part) {
  const auto tokenizer = create_tokenizer(vocabulary);
  ASSERT_FALSE(tokenizer.ok()) << part;
  EXPECT_EQ(tokenizer.error().code, code) << tokenizer.error().message;
  EXPECT_NE(tokenizer.error().message.find(part), std::string::npos) << tokenizer.error().message;
}

TEST(ByteLevelTest, MergesByRankThenLeftmost) {
  const ByteLevelVocabulary made_up({"b c", "a b", "a a", "aa a"});
  const auto tokenizer = made(made_up.vocabulary());
  const auto id = [&](const char* text) { return made_up.id(text); };
  const auto encode = [&](std::string_view text) {
    return tokenizer->encode(text, SpecialTokens::kPlainText);
  };
  EXPECT_EQ(encode("abc"), (Tokens{id("a"), id("bc")}));  // the lower rank, not the left one
  EXPECT_EQ(encode("aaa"), (Tokens{id("aaa")}));
  EXPECT_EQ(encode("aaaa"), (Tokens{id("aa"), id("aa")}));  // equal ranks from the left, at once
  EXPECT_EQ(encode(""), Tokens{});
}

TEST(ByteLevelTest, LongWordsMergeAsShortOnesDo) {
  // 41 symbols and more take the heap; the words must not know.
  const ByteLevelVocabulary made_up({"a b", "ab a", "b a", "aba b", "ab ab"});
  const auto tokenizer = made(made_up.vocabulary());
  std::string word;
  for (int length = 1; length < 90; ++length) {
    word += "abbab"[length % 5];
    // The definition, step by step: the lowest rank, the leftmost of equals, until none is left.
    std::vector<std::string> symbols;
    for (const char byte : word) symbols.emplace_back(1, byte);
    const std::vector<std::pair<std::string, std::string>> merges = {
        {"a", "b"}, {"ab", "a"}, {"b", "a"}, {"aba", "b"}, {"ab", "ab"}};
    for (bool merged = true; merged;) {
      merged = false;
      for (size_t rank = 0; rank < merges.size() && !merged; ++rank) {
        for (size_t i = 0; i + 1 < symbols.size() && !merged; ++i) {
          if (symbols[i] != merges[rank].first || symbols[i + 1] != merges[rank].second) continue;
          symbols[i] += symbols[i + 1];
          symbols.erase(symbols.begin() + static_cast<std::ptrdiff_t>(i) + 1);
          merged = true;
        }
      }
    }
    Tokens expected;
    for (const std::string& symbol : symbols) expected.push_back(made_up.id(symbol));
    EXPECT_EQ(tokenizer->encode(word, SpecialTokens::kPlainText), expected) << word;
  }
}

TEST(ByteLevelTest, RepeatedWordsComeFromTheCacheUnchanged) {
  const ByteLevelVocabulary made_up({"a b", "\u0120 ab", "ab c"});
  const auto tokenizer = made(made_up.vocabulary());
  std::string text;
  Tokens expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string word = i % 3 == 0 ? " abc" : i % 3 == 1 ? " ab" : " cab";
    text += word;
    const Tokens tokens = tokenizer->encode(word, SpecialTokens::kPlainText);
    expected.insert(expected.end(), tokens.begin(), tokens.end());
  }
  EXPECT_EQ(tokenizer->encode(text, SpecialTokens::kPlainText), expected);
}

TEST(ByteLevelTest, SpecialTokensOnlyWhereAllowed) {
  const ByteLevelVocabulary made_up({"a b"});
  const auto tokenizer = made(made_up.vocabulary());
  const TokenId end = made_up.id("<|im_end|>");
  const Tokens parsed = tokenizer->encode("a<|im_end|><|im_end|>b", SpecialTokens::kParse);
  EXPECT_EQ(parsed, (Tokens{made_up.id("a"), end, end, made_up.id("b")}));
  const Tokens plain = tokenizer->encode("a<|im_end|>", SpecialTokens::kPlainText);
  EXPECT_EQ(plain.size(), 11u);
  EXPECT_EQ(std::count(plain.begin(), plain.end(), end), 0);
  // User-defined tokens match always, the longest of those that start at a place.
  EXPECT_EQ(tokenizer->encode("<tool>>>", SpecialTokens::kPlainText),
            (Tokens{made_up.id("<tool>>"), made_up.id(">")}));
  EXPECT_TRUE(tokenizer->is_control(end));
  EXPECT_TRUE(tokenizer->ends_generation(end));
  EXPECT_FALSE(tokenizer->is_control(made_up.id("<tool>")));
  EXPECT_FALSE(tokenizer->ends_generation(made_up.id("a")));
  EXPECT_FALSE(tokenizer->ends_generation(-1));
  EXPECT_FALSE(tokenizer->is_control(1 << 30));
  EXPECT_EQ(tokenizer->token_bytes(end), "<|im_end|>");
  EXPECT_EQ(tokenizer->token_bytes(-1), "");
  EXPECT_EQ(tokenizer->token_bytes(1 << 30), "");
}

TEST(ByteLevelTest, AnEndMarkInAUsersTextStaysText) {
  ByteLevelVocabulary made_up({"a b"});
  made_up.add("<|eot_id|>", TokenType::kUserDefined);
  made_up.add("</s>", TokenType::kUserDefined);  // a tag, in gemma
  const auto tokenizer = made(made_up.vocabulary());
  EXPECT_TRUE(tokenizer->ends_generation(made_up.id("<|eot_id|>")));
  EXPECT_EQ(tokenizer->encode("<|eot_id|>", SpecialTokens::kPlainText).size(), 10u);
  EXPECT_FALSE(tokenizer->ends_generation(made_up.id("</s>")));
  EXPECT_EQ(tokenizer->encode("</s>", SpecialTokens::kPlainText), Tokens{made_up.id("</s>")});
}

TEST(ByteLevelTest, PlainTextNeverMergesIntoAControlToken) {
  ByteLevelVocabulary made_up({"< |"});
  Vocabulary vocabulary = made_up.vocabulary();
  vocabulary.types[static_cast<size_t>(made_up.id("<|"))] = 3;
  const auto tokenizer = made(vocabulary);
  EXPECT_EQ(tokenizer->encode("<|", SpecialTokens::kPlainText),
            (Tokens{made_up.id("<"), made_up.id("|")}));
}

TEST(ByteLevelTest, WholeWordsFirstWhereTheRulesSaySo) {
  const ByteLevelVocabulary made_up({"a b"}, {"abc"});
  EXPECT_EQ(made(made_up.vocabulary("llama-bpe"))->encode("abc", SpecialTokens::kPlainText),
            (Tokens{made_up.id("abc")}));
  EXPECT_EQ(made(made_up.vocabulary("qwen2"))->encode("abc", SpecialTokens::kPlainText),
            (Tokens{made_up.id("ab"), made_up.id("c")}));
}

TEST(ByteLevelTest, BytesWithoutATokenAreLeftOut) {
  const ByteLevelVocabulary made_up({"! !"});
  const auto tokenizer = made(made_up.vocabulary());
  EXPECT_EQ(tokenizer->encode("!\xFF!", SpecialTokens::kPlainText), (Tokens{made_up.id("!!")}));
}

TEST(ByteLevelTest, RefusesDamagedTables) {
  const ByteLevelVocabulary good({"a b"});
  Vocabulary vocabulary = good.vocabulary();
  vocabulary.pre = "from-the-future";
  expect_error(vocabulary, ErrorCode::kRefused, "'from-the-future'");
  vocabulary = good.vocabulary();
  vocabulary.model = "wordpiece";
  expect_error(vocabulary, ErrorCode::kRefused, "'wordpiece'");
  vocabulary = good.vocabulary();
  vocabulary.merges.push_back("a zzz");
  expect_error(vocabulary, ErrorCode::kDamaged, "merge 1 names a token");
  for (const char* merge : {"ab", "", " ", "a ", " b", "a b c", "a \x01"}) {
    vocabulary.merges.back() = merge;
    expect_error(vocabulary, ErrorCode::kDamaged, "merge 1");
  }
  vocabulary = good.vocabulary();
  vocabulary.tokens[5] = "a";
  expect_error(vocabulary, ErrorCode::kDamaged, "same text");
  vocabulary = good.vocabulary();
  vocabulary.tokens.clear();
  vocabulary.types.clear();
  expect_error(vocabulary, ErrorCode::kDamaged, "empty");
}

TEST(VocabularyTest, RefusesInconsistentLists) {
  const ByteLevelVocabulary good({"a b"});
  Vocabulary vocabulary = good.vocabulary();
  const uint64_t count = vocabulary.tokens.size();
  vocabulary.eos = count;
  expect_error(vocabulary, ErrorCode::kDamaged, "end-of-text");
  vocabulary = good.vocabulary();
  vocabulary.bos = 0xFFFFFFFF;
  expect_error(vocabulary, ErrorCode::kDamaged, "beginning-of-text");
  vocabulary = good.vocabulary();
  vocabulary.scores.assign(3, 0.0);
  expect_error(vocabulary, ErrorCode::kDamaged, "3 scores");
  vocabulary = good.vocabulary();
  vocabulary.types.pop_back();
  expect_error(vocabulary, ErrorCode::kDamaged, "token types");
  vocabulary = good.vocabulary();
  vocabulary.types[7] = 7;
  expect_error(vocabulary, ErrorCode::kDamaged, "token 7 has type 7");
  vocabulary.types[7] = 6;
  expect_error(vocabulary, ErrorCode::kDamaged, "<0xNN>");
  vocabulary = good.vocabulary();
  const std::string long_text(70'000, 'x');
  vocabulary.tokens[3] = long_text;
  expect_error(vocabulary, ErrorCode::kDamaged, "70000 bytes");
  vocabulary.tokens[3] = std::string_view(long_text).substr(0, 300);
  vocabulary.types[3] = 3;
  expect_error(vocabulary, ErrorCode::kRefused, "special token 3");
}

TEST(SentencePieceTest, MergesByScoreAndFallsBackToBytes) {
  SpmVocabulary made_up;
  for (const char* text : {"\u2581", "a", "b", "c"}) made_up.add(text, -100);
  made_up.add("ab", -2);
  made_up.add("bc", -1);
  made_up.add("\u2581a", -3);
  made_up.add("\u2581abc", -4);
  const auto tokenizer = made(made_up.vocabulary());
  const auto id = [&](const char* text) { return made_up.id(text); };
  EXPECT_TRUE(tokenizer->adds_bos());
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_TRUE(tokenizer->ends_generation(2));
  // The space in front is the vocabulary's habit; "bc" has the best score, "▁a" and "bc" then join.
  EXPECT_EQ(tokenizer->encode("abc", SpecialTokens::kPlainText), (Tokens{id("\u2581abc")}));
  EXPECT_EQ(tokenizer->encode("ab", SpecialTokens::kPlainText), (Tokens{id("\u2581"), id("ab")}));
  EXPECT_EQ(tokenizer->encode("\xC3\xA9", SpecialTokens::kPlainText),
            (Tokens{id("\u2581"), id("<0xC3>"), id("<0xA9>")}));
  EXPECT_EQ(tokenizer->token_bytes(id("<0xC3>")), "\xC3");
  EXPECT_EQ(tokenizer->token_bytes(id("\u2581abc")), " abc");
  Vocabulary bare = made_up.vocabulary();
  bare.adds_space_prefix = false;
  bare.adds_bos = false;
  EXPECT_EQ(made(bare)->encode("a a", SpecialTokens::kPlainText), (Tokens{id("a"), id("\u2581a")}));
  EXPECT_FALSE(made(bare)->adds_bos());
}

TEST(SentencePieceTest, PlainTextNeverBecomesAControlOrByteToken) {
  SpmVocabulary made_up;
  for (const char* text :
       {"\u2581", "<", "s", ">", "0", "x", "A", "<s", "<0", "x0", "A>", "x0A>"}) {
    made_up.add(text, -1);
  }
  const auto tokenizer = made(made_up.vocabulary());
  for (const TokenId token : tokenizer->encode("<s> <0x0A> <unk>", SpecialTokens::kPlainText)) {
    EXPECT_NE(token, 1);
    EXPECT_NE(token, made_up.id("<0x0A>"));
  }
  const Tokens parsed = tokenizer->encode("<s>", SpecialTokens::kParse);
  EXPECT_EQ(parsed, Tokens{1});
}

TEST(SentencePieceTest, TokensWithASpaceInsideAreReached) {
  // Words are merged apart only where no token has a ▁ at such a place.
  SpmVocabulary made_up;
  for (const char* text : {"\u2581", ">", "<", "/", "a", ","}) made_up.add(text, -100);
  made_up.add(">\u2581", -5);
  made_up.add(">\u2581<", -4);
  made_up.add("a\u2581", -6);
  Vocabulary vocabulary = made_up.vocabulary();
  vocabulary.adds_space_prefix = false;
  const auto tokenizer = made(vocabulary);
  const auto id = [&](const char* text) { return made_up.id(text); };
  EXPECT_EQ(tokenizer->encode("> </", SpecialTokens::kPlainText),
            (Tokens{id(">\u2581<"), id("/")}));
  EXPECT_EQ(tokenizer->encode("a ", SpecialTokens::kPlainText), (Tokens{id("a\u2581")}));
  EXPECT_EQ(tokenizer->encode("a ,", SpecialTokens::kPlainText), (Tokens{id("a\u2581"), id(",")}));
  EXPECT_EQ(tokenizer->encode(", ,", SpecialTokens::kPlainText),
            (Tokens{id(","), id("\u2581"), id(",")}));
}

TEST(SentencePieceTest, UserDefinedRunsOfSpacesComeFirst) {
  SpmVocabulary made_up;
  for (const char* text : {"\u2581", "a", "\u2581a"}) made_up.add(text, -1);
  made_up.add("  ", 0, TokenType::kUserDefined);
  made_up.add("   ", 0, TokenType::kUserDefined);
  Vocabulary vocabulary = made_up.vocabulary();
  vocabulary.adds_space_prefix = false;
  const auto tokenizer = made(vocabulary);
  EXPECT_EQ(tokenizer->encode("a    a", SpecialTokens::kPlainText),
            (Tokens{made_up.id("a"), made_up.id("   "), made_up.id("\u2581a")}));
  // A ▁ that is written is a space.
  EXPECT_EQ(tokenizer->encode("\u2581 a", SpecialTokens::kPlainText),
            (Tokens{made_up.id("  "), made_up.id("a")}));
}

TEST(SentencePieceTest, RefusesWhatCannotSayEveryByte) {
  SpmVocabulary made_up;
  Vocabulary vocabulary = made_up.vocabulary();
  vocabulary.types[10] = 5;
  expect_error(vocabulary, ErrorCode::kDamaged, "no unknown token");
  vocabulary.unknown = 0;
  EXPECT_TRUE(create_tokenizer(vocabulary).ok());
  vocabulary.scores.clear();
  expect_error(vocabulary, ErrorCode::kDamaged, "score");
}

TEST(SentencePieceTest, ListedMergesDecideInsteadOfScores) {
  SpmVocabulary made_up;
  for (const char* text : {"\u2581", "a", "b", "\n"}) made_up.add(text, -100);
  // By scores "▁b" would come first; and "ab" may be made of "a b" only where that is listed.
  made_up.add("ab", -3);
  made_up.add("\u2581b", -1);
  made_up.add("\u2581ab", -2);
  made_up.add("\n\n", -1);
  made_up.add("<|turn>", 0, TokenType::kControl);
  Vocabulary vocabulary = made_up.vocabulary();
  vocabulary.model = "gemma4";
  vocabulary.merges = {"\n \n", "a b", "\u2581 ab"};
  vocabulary.bos = 1;
  const auto id = [&](const char* text) { return made_up.id(text); };
  const auto tokenizer = made(vocabulary);
  EXPECT_TRUE(tokenizer->adds_bos());
  EXPECT_EQ(tokenizer->encode("ab ab b", SpecialTokens::kPlainText),
            (Tokens{id("ab"), id("\u2581ab"), id("\u2581"), id("b")}));
  EXPECT_EQ(tokenizer->encode("a\n\n\n\xC3\xA9", SpecialTokens::kPlainText),
            (Tokens{id("a"), id("\n\n"), id("\n"), id("<0xC3>"), id("<0xA9>")}));
  EXPECT_EQ(tokenizer->encode("<|turn>a", SpecialTokens::kParse), (Tokens{id("<|turn>"), id("a")}));
  Vocabulary scored = vocabulary;
  scored.model = "llama";
  scored.merges.clear();
  scored.adds_space_prefix = false;
  EXPECT_EQ(made(scored)->encode("ab b", SpecialTokens::kPlainText),
            (Tokens{id("ab"), id("\u2581b")}));
  vocabulary.merges = {"a c"};
  expect_error(vocabulary, ErrorCode::kDamaged, "merge 0 names a token");
  vocabulary.merges = {"ab"};
  expect_error(vocabulary, ErrorCode::kDamaged, "merge 0 is not two tokens");
}

TEST(SentencePieceTest, MarksOfPhi3TakeTheSpaceBehindThem) {
  SpmVocabulary made_up;
  for (const char* text : {"\u2581", "a", "\n"}) made_up.add(text, -1);
  made_up.add("<|user|>", 0, TokenType::kControl);
  made_up.add("<|endoftext|>", 0, TokenType::kControl);
  const auto encoded = [&](SpmVocabulary& of) {
    Vocabulary vocabulary = of.vocabulary();
    vocabulary.adds_space_prefix = false;
    return made(vocabulary)->encode("<|user|> \n a<|endoftext|>\na", SpecialTokens::kParse);
  };
  const auto id = [&](const char* text) { return made_up.id(text); };
  const Tokens kept = {id("<|user|>"), id("\u2581"),        id("\n"), id("\u2581"),
                       id("a"),        id("<|endoftext|>"), id("\n"), id("a")};
  EXPECT_EQ(encoded(made_up), kept);
  made_up.add("<|placeholder1|>", 0, TokenType::kControl);
  EXPECT_EQ(encoded(made_up),
            (Tokens{id("<|user|>"), id("a"), id("<|endoftext|>"), id("\n"), id("a")}));
}

TEST(TokenizerTest, AMegabyteOfOneCharacterIsQuick) {
  const ByteLevelVocabulary bytes({"a a", "aa aa", "aaaa aaaa"});
  SpmVocabulary pieces;
  for (const char* text : {"a", "aa", "aaaa", "aaaaaaaa"}) pieces.add(text, -1);
  for (const Vocabulary& vocabulary : {bytes.vocabulary(), pieces.vocabulary()}) {
    const auto tokenizer = made(vocabulary);
    const Tokens tokens = tokenizer->encode(std::string(1'000'000, 'a'), SpecialTokens::kPlainText);
    EXPECT_GT(tokens.size(), 124'000u);
    EXPECT_LT(tokens.size(), 126'100u);
  }
}

TEST(DetokenizerTest, NeverSplitsACharacter) {
  SpmVocabulary made_up;
  made_up.add("\u2581", -1);
  made_up.add("a", -1);
  const auto tokenizer = made(made_up.vocabulary());
  Detokenizer stream(*tokenizer);
  EXPECT_EQ(stream.push(made_up.id("a")), "a");
  EXPECT_EQ(stream.push(made_up.id("<0xF0>")), "");
  EXPECT_EQ(stream.push(made_up.id("<0x9F>")), "");
  EXPECT_EQ(stream.push(2), "");  // control: adds nothing
  EXPECT_EQ(stream.push(made_up.id("<0x99>")), "");
  EXPECT_EQ(stream.push(made_up.id("<0x82>")), "\xF0\x9F\x99\x82");
  EXPECT_EQ(stream.push(made_up.id("<0xE2>")), "");
  EXPECT_EQ(stream.finish(), "\xE2");
  EXPECT_EQ(stream.finish(), "");
}

/// Tokens of golden/tokenizer/NAME.txt, with the model's own vocabulary.
void expect_golden(const std::string& name, const std::string& file) {
  const char* folder = std::getenv("FREEHOLD_TEST_MODELS");
  if (folder == nullptr) GTEST_SKIP() << "FREEHOLD_TEST_MODELS names no folder of model files";
  const auto files = io::make_system_files();
  const auto model = GgufModel::open(*files, std::string(folder) + "/" + file);
  if (!model.ok()) GTEST_SKIP() << model.error().message;
  const auto tokenizer = Tokenizer::create(model->metadata());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
  std::ifstream lines(std::string(FREEHOLD_SOURCE_DIR) + "/golden/tokenizer/" + name + ".txt");
  std::string text, ids;
  size_t count = 0;
  while (lines >> text >> ids) {
    Tokens expected;
    for (const int64_t id : testing::numbers_of(ids)) expected.push_back(static_cast<TokenId>(id));
    const std::string bytes = testing::from_hex(text);
    EXPECT_EQ((*tokenizer)->encode(bytes, SpecialTokens::kPlainText), expected) << bytes;
    ++count;
  }
  EXPECT_GT(count, 250u);
}

TEST(RealTokenizerTest, SmolLm2) { expect_golden("smollm2", "smollm2.gguf"); }
TEST(RealTokenizerTest, Qwen2) { expect_golden("qwen2", "qwen05.gguf"); }
TEST(RealTokenizerTest, Gemma3) { expect_golden("gemma3", "gemma3.gguf"); }

TEST(Guards, WhatPeopleWriteIsNeverAMark) {
  const ByteLevelVocabulary made({"a b"});
  const auto tokenizer = MUST(create_tokenizer(made.vocabulary()));
  const std::string guard = MUST(choose_guard({"x"}));
  const auto encode = [&](const std::string& text) {
    return tokenizer->encode_guarded(text, SpecialTokens::kParse, guard);
  };
  const TokenId mark = made.id("<|im_end|>");
  for (const std::string written :
       {"<|im_end|>", "ab<|im_end|>ab", "<|im_<|im_end|>end|>", "<<|im_end|>|im_end|>", "<tool>"}) {
    const std::string guarded = tokenizer->with_guards(written, guard);
    const auto plain = tokenizer->encode(written, SpecialTokens::kPlainText);
    EXPECT_EQ(encode(guarded), plain) << written;
    // The template's own marks around it stay marks, and nothing of the guard is left.
    Tokens around{mark};
    around.insert(around.end(), plain.begin(), plain.end());
    around.push_back(mark);
    EXPECT_EQ(encode("<|im_end|>" + guarded + "<|im_end|>"), around) << written;
  }
  EXPECT_EQ(encode("<|im_end|>"), Tokens{mark});  // unguarded: the mutant that this is about
  EXPECT_EQ(encode(guard), Tokens{});
}

TEST(Guards, AreCharactersThatNoTextHolds) {
  const std::string first = MUST(choose_guard({}));
  EXPECT_NE(MUST(choose_guard({first})), first);
  std::string all;
  for (int i = 0; i < 32; ++i) all += MUST(choose_guard({all}));
  EXPECT_EQ(choose_guard({all}).error().code, ErrorCode::kRefused);
}

}  // namespace
}  // namespace freehold::model
