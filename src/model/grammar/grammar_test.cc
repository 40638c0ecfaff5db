// The engine of grammars: languages against a plain matcher, masks against one token at a time.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>

#include <string>
#include <vector>

#include "base/random.h"
#include "model/grammar/gbnf.h"
#include "model/grammar/matcher.h"
#include "model/grammar/utf8_ranges.h"

namespace freehold::model {
namespace {

bool matches(std::string_view source, std::string_view text) {
  return MUST(grammar_accepts(MUST(parse_gbnf(source)), text));
}

std::string refusal(std::string_view source) {
  const auto grammar = parse_gbnf(source);
  return grammar.ok() ? "accepted" : grammar.error().message;
}

TEST(Gbnf, ReadsTheDialect) {
  EXPECT_TRUE(matches("root ::= \"a\" | \"b\" # or b\n", "b"));
  EXPECT_TRUE(matches("root ::=\n  \"a\" |\n  \"b\"\n", "b"));
  EXPECT_TRUE(matches("root ::= (\n \"a\"\n \"b\" )+", "abab"));
  EXPECT_FALSE(matches("root ::= (\"a\" \"b\")+", "aba"));
  EXPECT_TRUE(matches("root ::= [a-c]{2,3}", "abc"));
  EXPECT_FALSE(matches("root ::= [a-c]{2,3}", "a"));
  EXPECT_FALSE(matches("root ::= [a-c]{2,3}", "aaaa"));
  EXPECT_TRUE(matches("root ::= \"x\"{3}", "xxx"));
  EXPECT_TRUE(matches("root ::= [^a]{2,}", "é€"));
  EXPECT_FALSE(matches("root ::= [^a]{2,}", "éa"));
  EXPECT_TRUE(matches("root ::= . .", "😀é"));
  EXPECT_FALSE(matches("root ::= .", "\xf0\x9f\x98"));
  EXPECT_FALSE(matches("root ::= .", "\xed\xa0\x80"));  // a surrogate
  EXPECT_TRUE(matches(R"(root ::= "\x41\u00e9\U0001F600\n\"\\")", "Aé😀\n\"\\"));
  EXPECT_TRUE(matches(R"(root ::= [\]\-a]+)", "]-a"));
  EXPECT_TRUE(matches(R"(root ::= [a-]+)", "-a-"));
  EXPECT_TRUE(matches("root ::= \"\"", ""));
  EXPECT_TRUE(matches("root ::= <|tool|> \"x\"", "<|tool|>x"));
  EXPECT_TRUE(matches("root ::= <|tool|> \"x\"", "\xff<|tool|>x"));
}

TEST(Gbnf, Recursion) {
  const char* balanced = "root ::= \"(\" root \")\" root | \"\"";
  EXPECT_TRUE(matches(balanced, "(()(()))()"));
  EXPECT_FALSE(matches(balanced, "(()"));
  // Repetition by recursion keeps its stack flat.
  EXPECT_TRUE(matches("root ::= \"a\" root | \"b\"", std::string(100'000, 'a') + "b"));
  EXPECT_TRUE(matches("root ::= x* y\nx ::= \"a\"? \"b\"?\ny ::= root2 | \"\"\nroot2 ::= \"c\" y",
                      "abbacc"));
}

TEST(Gbnf, RefusesByNameAndPlace) {
  EXPECT_EQ(refusal("root ::= a\na ::= root \"x\" | \"y\""),
            "the rule 'root' begins with itself (left recursion)");
  EXPECT_EQ(
      refusal(
          "root ::= e root \"x\" | \"y\"\ne ::= \"a\"? b?\nb ::= \"zzzzzzzzzzzzzzzzzzzzzzzzzzz\""),
      "the rule 'root' begins with itself (left recursion)");
  EXPECT_EQ(refusal("root ::= a"), "the rule 'a' is used and not defined");
  EXPECT_EQ(refusal("x ::= \"a\""), "the grammar has no rule named root");
  EXPECT_EQ(refusal("root ::= \"a\"\nroot ::= \"b\""),
            "the grammar, line 2, column 10: the rule 'root' is defined twice");
  EXPECT_EQ(refusal("root ::= \"a"), "the grammar, line 1, column 12: a text is not closed");
  EXPECT_EQ(refusal("root ::= [a"), "the grammar, line 1, column 12: a set is not closed");
  EXPECT_EQ(refusal("root ::= [b-a]"), "the grammar, line 1, column 14: a range goes downwards");
  EXPECT_EQ(refusal("root ::= *"), "the grammar, line 1, column 10: there is nothing to repeat");
  EXPECT_EQ(refusal("root ::= \"a\"{3,2}"),
            "the grammar, line 1, column 18: a repetition's most is below its least");
  EXPECT_EQ(refusal("root ::= \"\\q\""), "the grammar, line 1, column 11: there is no such escape");
  EXPECT_EQ(refusal("root ::= \"\\ud800\""),
            "the grammar, line 1, column 17: an escape names no code point");
  EXPECT_EQ(refusal("root ::= root2\nroot2 ::= \"a\" root2"), "the grammar allows no text at all");
  EXPECT_EQ(refusal("root ::= " + std::string(100, '(') + "\"a\"" + std::string(100, ')')),
            "the grammar, line 1, column 75: more than 64 open groups");
  EXPECT_NE(refusal("root ::= ((((\"a\"{1000}){1000}){1000}){1000})").find("states"),
            std::string::npos);
}

// GHSA: rules that only name each other, ten thousand deep.
TEST(Gbnf, LongChainsOfRules) {
  std::string source = "root ::= r0\n";
  for (int i = 0; i < 9'000; ++i) source += fmt::format("r{} ::= r{} | \"x\"\n", i, i + 1);
  source += "r9000 ::= \"end\"\n";
  const auto grammar = parse_gbnf(source);
  ASSERT_TRUE(grammar.ok()) << grammar.error().message;
  const auto accepted = grammar_accepts(*grammar, "x");
  EXPECT_TRUE(accepted.ok() ? *accepted : accepted.error().code == ErrorCode::kRefused);
}

TEST(Utf8Ranges, EveryCodePoint) {
  std::vector<RuneRange> ranges{{0x10, 0x85}, {0x7F0, 0x905}, {0xD000, 0xE123}, {0xFFF0, 0x12345}};
  size_t seen = 0;
  for (const RuneRange& range : ranges) {
    for (const Utf8Range& piece : utf8_ranges(range)) {
      size_t product = 1;
      for (size_t i = 0; i < piece.length; ++i) product *= piece.high[i] - piece.low[i] + 1u;
      seen += product;
    }
  }
  size_t wanted = 0;
  for (const RuneRange& range : ranges) wanted += range.high - range.low + 1;
  EXPECT_EQ(seen, wanted - 0x800);  // surrogates
}

/// Words over a few bytes, so that tokens often straddle the ends of rules.
std::vector<std::string> random_tokens(base::RandomStream& random, std::string_view alphabet) {
  std::vector<std::string> tokens;
  for (const char c : alphabet) tokens.emplace_back(1, c);
  while (tokens.size() < 150) {
    std::string token;
    for (size_t length = 2 + random.below(6); token.size() < length;) {
      token += alphabet[random.below(static_cast<uint32_t>(alphabet.size()))];
    }
    tokens.push_back(token);
  }
  tokens.push_back("<end>");
  return tokens;
}

/// Walks at random and compares every mask with what a copy of the matcher says of each token.
void compare_masks(std::string_view source, std::string_view alphabet, uint64_t seed) {
  base::RandomStream random(seed);
  const std::vector<std::string> texts = random_tokens(random, alphabet);
  const auto end = static_cast<TokenId>(texts.size() - 1);
  const auto vocabulary = std::make_shared<GrammarVocabulary>(texts, std::vector<TokenId>{end});
  const auto grammar = std::make_shared<Grammar>(MUST(parse_gbnf(source)));
  const auto masks = std::make_shared<TokenMasks>(grammar, vocabulary);
  for (int walk = 0; walk < 8; ++walk) {
    GrammarMatcher matcher(masks);
    std::string so_far;
    for (int step = 0; step < 25 && !matcher.must_end(); ++step) {
      const auto mask = MUST(matcher.allowed());
      std::vector<TokenId> allowed;
      for (TokenId token = 0; token <= end; ++token) {
        const bool bit = (mask[static_cast<size_t>(token) / 64] >> (token % 64) & 1) != 0;
        GrammarMatcher copy(matcher);
        ASSERT_EQ(bit, copy.accept(token).ok())
            << source << " after " << so_far << " token " << texts[static_cast<size_t>(token)];
        if (bit && token != end) allowed.push_back(token);
      }
      if (allowed.empty()) break;
      const TokenId next = allowed[random.below(static_cast<uint32_t>(allowed.size()))];
      MUST(matcher.accept(next));
      so_far += texts[static_cast<size_t>(next)];
    }
  }
}

TEST(TokenMasks, EqualOneTokenAtATime) {
  compare_masks("root ::= \"(\" root \")\" root | \"\"", "()", 1);
  compare_masks(
      "root ::= item (\",\" item)*\nitem ::= word | \"[\" root \"]\"\nword ::= \"\\\"\" [ab]* "
      "\"\\\"\"",
      "ab\",[]", 2);
  compare_masks("root ::= line+\nline ::= [^,]+ \",\"?", "ab,", 3);
  compare_masks("root ::= x root y | \"\"\nx ::= \"a\" | \"b\" x\ny ::= \"c\"* \"d\"", "abcd", 4);
  compare_masks("root ::= ([0-9]{1,3} \".\"){3} [0-9]{1,3}", "0123.", 5);
  compare_masks("root ::= ([^a]* \"aab\")* [^a]*", "ab", 6);
}

TEST(GrammarBuilder, Search) {
  GrammarBuilder builder;
  const auto root = builder.rule("root");
  builder.define(root, builder.sequence({builder.until("aab"), builder.without("ab")}));
  const Grammar grammar = MUST(builder.build(root));
  EXPECT_TRUE(MUST(grammar_accepts(grammar, "aab")));
  EXPECT_TRUE(MUST(grammar_accepts(grammar, "xaaaabbb")));
  EXPECT_FALSE(MUST(grammar_accepts(grammar, "aabab")));
  EXPECT_FALSE(MUST(grammar_accepts(grammar, "abab")));
}

// Two stacks for every byte, 2^n in all: given up by name, in little time.
TEST(GrammarMatcher, AmbiguityIsRefused) {
  const Grammar grammar =
      MUST(parse_gbnf("root ::= s \"!\"\ns ::= \"a\" | x | y\n"
                      "x ::= \"a\" s \"bbbbbbbbbbbbbbbbbbbbbbbbbb\"\ny ::= \"a\" s "
                      "\"cccccccccccccccccccccccccc\""));
  const auto accepted = grammar_accepts(grammar, std::string(100, 'a'));
  ASSERT_FALSE(accepted.ok());
  EXPECT_EQ(accepted.error().code, ErrorCode::kRefused);
}

}  // namespace
}  // namespace freehold::model
