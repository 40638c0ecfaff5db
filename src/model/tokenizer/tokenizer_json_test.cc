// tokenizer.json becomes the same tokenizer as the same tables in a GGUF; what is not known is
// refused by name; nothing in such a file does harm.

#include "model/tokenizer/tokenizer_json.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/json.h"
#include "base/random.h"
#include "model/tokenizer/testing.h"

namespace freehold::model {
namespace {

using Tokens = std::vector<TokenId>;

/// A small byte-level file; `change` replaces pieces of it.
std::string byte_level_json(std::vector<std::pair<std::string, std::string>> changes = {}) {
  std::string vocab;
  int next = 0;
  for (char byte = '!'; byte <= '~'; ++byte) {
    base::append_json_string(vocab, std::string(1, byte));
    vocab += fmt::format(":{},", next++);
  }
  vocab += R"("\u0120":94,"th":95,"the":96,"\u0120the":97)";
  std::string json = R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":[
    {"id":98,"content":"<|end|>","single_word":false,"lstrip":false,"rstrip":true,"normalized":false,
     "special":true},
    {"id":100,"content":"<tool>","single_word":false,"lstrip":true,"rstrip":false,"normalized":false,
     "special":false}],
    "normalizer":{"type":"NFC"},
    "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true},
    "post_processor":null,"decoder":{"type":"ByteLevel"},
    "model":{"type":"BPE","dropout":null,"unk_token":null,"continuing_subword_prefix":null,
     "end_of_word_suffix":null,"fuse_unk":false,"byte_fallback":false,"ignore_merges":false,
     "vocab":{)" + vocab +
                     R"(},"merges":["t h",["th","e"],"\u0120 the"]}})";
  for (const auto& [from, to] : changes) {
    const size_t at = json.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    json.replace(at, from.size(), to);
  }
  return json;
}

TEST(TokenizerJson, ByteLevel) {
  const auto tokenizer = MUST(create_from_tokenizer_json(byte_level_json()));
  EXPECT_EQ(tokenizer->description(), "bpe/gpt-2");
  EXPECT_EQ(tokenizer->vocabulary_size(), 101u);
  EXPECT_EQ(tokenizer->encode("the the", SpecialTokens::kPlainText), (Tokens{96, 97}));
  // An id that nothing has, and white space that goes with a written token on the side it says.
  EXPECT_EQ(tokenizer->token_bytes(98), "<|end|>");
  EXPECT_EQ(tokenizer->encode("the <|end|>  the", SpecialTokens::kParse), (Tokens{96, 94, 98, 96}));
  EXPECT_EQ(tokenizer->encode("the  <tool> the", SpecialTokens::kPlainText), (Tokens{96, 100, 97}));
  EXPECT_TRUE(tokenizer->ends_generation(98));
}

TEST(TokenizerJson, WholeWordsFirstIsTheFilesOwn) {
  const auto merged =
      MUST(create_from_tokenizer_json(byte_level_json({{R"(["th","e"],)", ""},
                                                       {R"("\u0120 the")", R"("\u0120 t")"},
                                                       {R"("\u0120the":97)", R"("\u0120t":97)"}})));
  EXPECT_NE(merged->encode("the", SpecialTokens::kPlainText), (Tokens{96}));
  const auto whole = MUST(create_from_tokenizer_json(
      byte_level_json({{R"(["th","e"],)", ""},
                       {R"("\u0120 the")", R"("\u0120 t")"},
                       {R"("\u0120the":97)", R"("\u0120t":97)"},
                       {R"("ignore_merges":false)", R"("ignore_merges":true)"}})));
  EXPECT_EQ(whole->encode("the", SpecialTokens::kPlainText), (Tokens{96}));
}

TEST(TokenizerJson, SpacesWrittenOutAndBytes) {
  std::string vocab = R"("<unk>":0,"\u2581":1,"a":2,"b":3,"ab":4,"\u2581ab":5)";
  for (int byte = 0; byte < 256; ++byte) {
    char text[24];
    std::snprintf(text, sizeof(text), R"(,"<0x%02X>":%d)", byte, 6 + byte);
    vocab += text;
  }
  const std::string json = R"({"added_tokens":[{"id":0,"content":"<unk>","special":true}],
    "normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"\u2581"},
      {"type":"Replace","pattern":{"String":" "},"content":"\u2581"}]},
    "pre_tokenizer":null,"model":{"type":"BPE","unk_token":"<unk>","byte_fallback":true,
    "fuse_unk":true,"vocab":{)" +
                           vocab + R"(},"merges":["a b","\u2581 ab"]}})";
  const auto tokenizer = MUST(create_from_tokenizer_json(json));
  EXPECT_EQ(tokenizer->encode("ab ab", SpecialTokens::kPlainText), (Tokens{5, 5}));
  EXPECT_EQ(tokenizer->encode("aab", SpecialTokens::kPlainText), (Tokens{1, 2, 4}));
  EXPECT_EQ(tokenizer->encode("\n", SpecialTokens::kPlainText), (Tokens{1, 6 + 10}));
  EXPECT_EQ(tokenizer->token_bytes(5), " ab");
}

TEST(TokenizerJson, WordPieceOfTheGoldenVocabulary) {
  std::ifstream file(std::string(FREEHOLD_SOURCE_DIR) + "/golden/tokenizer/wordpiece.txt");
  std::string json = R"({"added_tokens":[{"id":0,"content":"[PAD]","special":true},
    {"id":1,"content":"[UNK]","special":true},{"id":2,"content":"[CLS]","special":true},
    {"id":3,"content":"[SEP]","special":true},{"id":4,"content":"[MASK]","special":true}],
    "normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,
      "strip_accents":null,"lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},
    "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]"}},
      {"Sequence":{"id":"A"}},{"SpecialToken":{"id":"[SEP]"}}]},
    "model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##",
      "max_input_chars_per_word":100,"vocab":{)";
  std::vector<std::pair<std::string, Tokens>> cases;
  std::string kind, text, ids;
  int next = 0;
  while (file >> kind) {
    if (kind == "T") {
      int type = 0;
      double score = 0;
      file >> type >> score >> text;
      text = testing::from_hex(text);
      const bool starts = text.starts_with("\u2581");
      if (type == 1 && starts) text.erase(0, 3);
      if (type == 1 && !starts) text.insert(0, "##");
      if (next > 0) json += ",";
      base::append_json_string(json, text);
      json += fmt::format(":{}", next++);
      continue;
    }
    file >> text >> ids;
    Tokens tokens;
    for (const int64_t id : testing::numbers_of(ids)) tokens.push_back(static_cast<TokenId>(id));
    cases.emplace_back(testing::from_hex(text), tokens);
  }
  json += "}}}";
  const auto tokenizer = MUST(create_from_tokenizer_json(json));
  EXPECT_EQ(tokenizer->token_bytes(*tokenizer->bos()), "[CLS]");
  for (const auto& [source, tokens] : cases) {
    EXPECT_EQ(tokenizer->encode(source, SpecialTokens::kPlainText), tokens) << source;
  }
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t at = 0; at < bytes.size(); at += 3) {
    uint32_t group = 0;
    for (size_t i = 0; i < 3; ++i) {
      group = (group << 8) | (at + i < bytes.size() ? static_cast<uint8_t>(bytes[at + i]) : 0u);
    }
    for (const int shift : {18, 12, 6, 0}) text.push_back(kAlphabet[(group >> shift) & 63]);
  }
  for (size_t missing = (3 - bytes.size() % 3) % 3; missing > 0; --missing) {
    text[text.size() - missing] = '=';
  }
  return text;
}

constexpr std::string_view kXlmRSteps = R"({"type":"Strip","strip_left":false,"strip_right":true},
    {"type":"Replace","pattern":{"Regex":" {2,}"},"content":"\u2581"})";

/// golden/tokenizer/unigram.txt as a tokenizer.json in one of the styles of unigram_json.txt.
std::string unigram_json(std::string_view style) {
  std::ifstream file(std::string(FREEHOLD_SOURCE_DIR) + "/golden/tokenizer/unigram.txt");
  std::string kind, type, score, text, vocab, added, map;
  for (size_t id = 0; file >> kind;) {
    if (kind == "C") {
      file >> text;
      map = base64(testing::from_hex(text));
    } else if (kind == "X") {
      file >> text >> text;
    } else {
      file >> type >> score >> text;
      std::string quoted;
      base::append_json_string(quoted, testing::from_hex(text));
      vocab += fmt::format("{}[{},{}]", id == 0 ? "" : ",", quoted, score);
      if (type != "1") {
        added += fmt::format(R"({}{{"id":{},"content":{},"special":true}})", id == 0 ? "" : ",", id,
                             quoted);
      }
      ++id;
    }
  }
  const bool t5 = style == "t5";
  const std::string_view metaspace =
      style == "t5-first"
          ? R"({"type":"Metaspace","replacement":"\u2581","prepend_scheme":"first","split":true})"
          : R"({"type":"Metaspace","replacement":"\u2581","prepend_scheme":"always","split":true})";
  return fmt::format(
      R"({{"added_tokens":[{}],"normalizer":{{"type":"Sequence","normalizers":[
        {{"type":"Precompiled","precompiled_charsmap":"{}"}}{}{}]}},
        "pre_tokenizer":{{"type":"Sequence","pretokenizers":[{}{}]}},
        "model":{{"type":"Unigram","unk_id":0,"byte_fallback":false,"vocab":[{}]}}}})",
      added, map, t5 ? "" : ",", t5 ? "" : kXlmRSteps, t5 ? R"({"type":"WhitespaceSplit"},)" : "",
      metaspace, vocab);
}

/// Texts of unigram_json.txt that `json` cuts otherwise than the package cuts `style`.
size_t wrong_unigram(const std::string& json, std::string_view style, size_t& cases) {
  const auto tokenizer = MUST(create_from_tokenizer_json(json));
  std::ifstream file(std::string(FREEHOLD_SOURCE_DIR) + "/golden/tokenizer/unigram_json.txt");
  std::string of, text, ids;
  size_t wrong = 0;
  cases = 0;
  while (file >> of >> text >> ids) {
    if (of != style) continue;
    Tokens tokens;
    for (const int64_t id : testing::numbers_of(ids)) tokens.push_back(static_cast<TokenId>(id));
    const std::string source = testing::from_hex(text);
    const bool holds_mark = source.find("</s>") != std::string::npos;  // theirs becomes the mark
    if (holds_mark) continue;
    ++cases;
    if (tokenizer->encode(source, SpecialTokens::kPlainText) != tokens) ++wrong;
  }
  return wrong;
}

TEST(TokenizerJson, UnigramAsThePackageCuts) {
  for (const char* style : {"xlm-r", "t5", "t5-first"}) {
    size_t cases = 0;
    EXPECT_EQ(wrong_unigram(unigram_json(style), style, cases), 0u) << style;
    EXPECT_GT(cases, 150u);
  }
}

TEST(TokenizerJson, MutantsOfUnigramsStepsAreSeen) {
  size_t cases = 0;
  EXPECT_GT(wrong_unigram(unigram_json("t5"), "xlm-r", cases), 0u);
  EXPECT_GT(wrong_unigram(unigram_json("xlm-r"), "t5", cases), 0u);
  // Behind a mark only the one that always does puts a ▁ in front.
  const auto always = MUST(create_from_tokenizer_json(unigram_json("xlm-r")));
  const auto first = MUST(create_from_tokenizer_json(unigram_json("t5-first")));
  const std::string text = "the</s>the";
  EXPECT_EQ(always->encode(text, SpecialTokens::kParse).front(),
            first->encode(text, SpecialTokens::kParse).front());
  EXPECT_EQ(always->encode(text, SpecialTokens::kParse).front(),
            always->encode(text, SpecialTokens::kParse).back());
  EXPECT_NE(first->encode(text, SpecialTokens::kParse).front(),
            first->encode(text, SpecialTokens::kParse).back());
  const auto changed = [&](const std::string& style, std::string_view from, std::string_view to) {
    std::string json = unigram_json(style);
    const size_t at = json.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    json.replace(at, from.size(), to);
    return wrong_unigram(json, style, cases);
  };
  EXPECT_GT(changed("xlm-r", R"("strip_right":true)", R"("strip_right":false)"), 0u);
  EXPECT_GT(changed("xlm-r", R"(" {2,}"},"content":"\u2581")", R"(" {2,}"},"content":" ")") +
                changed("xlm-r", R"("strip_left":false)", R"("strip_left":true)"),
            0u);
  EXPECT_GT(changed("t5", R"("prepend_scheme":"always")", R"("prepend_scheme":"never")"), 0u);
}

TEST(TokenizerJson, UnigramsStepsInAnotherOrderAreNamed) {
  const auto refused = [](std::string_view from, std::string_view to) {
    std::string json = unigram_json("xlm-r");
    json.replace(json.find(from), from.size(), to);
    const auto made = create_from_tokenizer_json(json);
    EXPECT_FALSE(made.ok()) << from;
    return made.ok() ? std::string() : made.error().message;
  };
  EXPECT_NE(refused(R"("Strip")", R"("Lowercase")").find("Lowercase"), std::string::npos);
  EXPECT_NE(refused(R"("Metaspace")", R"("Split")").find("Split"), std::string::npos);
  EXPECT_NE(refused(R"("unk_id":0)", R"("unk_id":null)").find("unknown token"), std::string::npos);
  EXPECT_NE(refused(R"("precompiled_charsmap":")", R"("precompiled_charsmap":"*)").find("base64"),
            std::string::npos);
  EXPECT_NE(refused("\"vocab\":[[", "\"vocab\":[3,[").find("piece 0"), std::string::npos);
}

TEST(TokenizerJson, UnknownExpressionsGoToPcre2) {
  const std::string step =
      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";
  const auto with = [&](const std::string& expression) {
    std::string split =
        R"({"type":"Sequence","pretokenizers":[{"type":"Split","behavior":"Isolated",
      "pattern":{"Regex":)";
    base::append_json_string(split, expression);
    split += R"(}},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]})";
    return create_from_tokenizer_json(byte_level_json({{step, split}}));
  };
  // Cut between t and h, "the" is not one word any more.
  const auto apart = MUST(with("t|h"));
  EXPECT_EQ(apart->encode("the the", SpecialTokens::kPlainText),
            (Tokens{'t' - '!', 'h' - '!', 'e' - '!', 94, 't' - '!', 'h' - '!', 'e' - '!'}));
  EXPECT_NE(apart->description().find("pcre2"), std::string::npos);
  EXPECT_NE(apart->description().find("t|h"), std::string::npos);
  // The known rules through PCRE2 are the known rules: a class more that is never met.
  const auto scanner = MUST(create_from_tokenizer_json(byte_level_json()));
  const auto engine = MUST(with(
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+|\x{FDD0})"));
  base::RandomStream random(4);
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (uint32_t n = random.below(40); n > 0; --n) {
      text += std::string_view("the '1. \n")[random.below(9)];
    }
    EXPECT_EQ(engine->encode(text, SpecialTokens::kPlainText),
              scanner->encode(text, SpecialTokens::kPlainText));
  }
  // Expressions that explode are stopped; broken ones are refused by name.
  const auto hostile = MUST(with("(a+)+$"));
  hostile->encode(std::string(5000, 'a') + "b", SpecialTokens::kPlainText);
  hostile->encode("ab\xFF\xC3(", SpecialTokens::kPlainText);
  EXPECT_NE(with("(((").error().message.find("((("), std::string::npos);
  EXPECT_FALSE(with(std::string(20000, 'a')).ok());
}

TEST(TokenizerJson, WhatIsNotThereYetIsNamed) {
  const auto refused = [](std::vector<std::pair<std::string, std::string>> changes) {
    const auto made = create_from_tokenizer_json(byte_level_json(std::move(changes)));
    EXPECT_FALSE(made.ok());
    return made.ok() ? std::string() : made.error().message;
  };
  EXPECT_NE(refused({{R"({"type":"NFC"})", R"({"type":"Lowercase"})"}}).find("Lowercase"),
            std::string::npos);
  EXPECT_NE(refused({{R"("add_prefix_space":false,"trim)", R"("add_prefix_space":true,"trim)"}})
                .find("ByteLevel"),
            std::string::npos);
  EXPECT_NE(refused({{R"("type":"BPE")", R"("type":"WordLevel")"}}).find("WordLevel"),
            std::string::npos);
  EXPECT_NE(refused({{R"("single_word":false)", R"("single_word":true)"}}).find("single_word"),
            std::string::npos);
  EXPECT_NE(refused({{R"("end_of_word_suffix":null)", R"("end_of_word_suffix":"</w>")"}})
                .find("end_of_word_suffix"),
            std::string::npos);
  EXPECT_FALSE(create_from_tokenizer_json("[]").ok());
  EXPECT_FALSE(create_from_tokenizer_json("{}").ok());
  EXPECT_FALSE(
      create_from_tokenizer_json(R"({"model":{"type":"BPE","vocab":{"a":99999999}}})").ok());
}

TEST(TokenizerJson, DamageIsAnErrorOrATokenizer) {
  const std::string whole = byte_level_json();
  for (size_t length = 0; length < whole.size(); length += 7) {
    EXPECT_FALSE(create_from_tokenizer_json(std::string_view(whole).substr(0, length)).ok());
  }
  base::RandomStream random(9);
  for (int round = 0; round < 3000; ++round) {
    std::string broken = whole;
    for (uint32_t n = 1 + random.below(3); n > 0; --n) {
      broken[random.below(static_cast<uint32_t>(broken.size()))] =
          static_cast<char>(' ' + random.below(95));
    }
    const auto made = create_from_tokenizer_json(broken);
    if (made.ok()) (*made)->encode("the <|end|> <tool> x", SpecialTokens::kParse);
  }
}

}  // namespace
}  // namespace freehold::model
