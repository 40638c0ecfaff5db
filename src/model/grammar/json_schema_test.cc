// Schemas as grammars: what is allowed, what is not, what is refused and where. The thousands of
// generated ones, and JSON-Schema-Test-Suite, are tools/oracle/schema_walk.py.

#include "model/grammar/json_schema.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "model/grammar/matcher.h"

namespace freehold::model {
namespace {

constexpr JsonSchemaOptions kByTheLetter{.as_meant = false};

bool allows(std::string_view schema, std::string_view text, const JsonSchemaOptions& options = {}) {
  const auto parsed = MUST(base::JsonValue::parse(schema));
  const auto grammar = json_schema_grammar(parsed, options);
  if (!grammar.ok()) {
    ADD_FAILURE() << schema << ": " << grammar.error().message;
    return false;
  }
  return MUST(grammar_accepts(*grammar, text));
}

std::string refusal(std::string_view schema) {
  const auto grammar = json_schema_grammar(MUST(base::JsonValue::parse(schema)));
  return grammar.ok() ? "accepted" : grammar.error().message;
}

TEST(JsonSchema, Objects) {
  const char* person = R"({"type":"object","properties":{"a":{"type":"integer"},
      "b":{"type":"string"},"c":{}},"required":["b"]})";
  EXPECT_TRUE(allows(person, R"({"a": 1, "b": "x"})"));
  EXPECT_TRUE(allows(person, R"({"b":"x","c":[null,{"q":1.5e3}]})"));
  EXPECT_TRUE(allows(person, "{\n  \"b\": \"\\u00e9\\ud83d\\ude00\"\n}"));
  EXPECT_FALSE(allows(person, R"({"a": 1})"));
  EXPECT_FALSE(allows(person, R"({"b":"x","a":1})"));  // the order of properties
  EXPECT_FALSE(allows(person, R"({"a":1,,"b":"x"})"));
  EXPECT_FALSE(allows(person, R"({"b":"\ud83d"})"));
  EXPECT_FALSE(allows(person, R"({"b":"x","d":1})"));
  EXPECT_TRUE(allows(R"({"properties":{"a":{}}})", R"({"a":1,"d":2})", kByTheLetter));
  const char* open = R"({"type":"object","properties":{"ab":{"type":"null"}},
      "additionalProperties":{"type":"integer"}})";
  EXPECT_TRUE(allows(open, R"({"ab":null,"abc":1,"a":2,"é":3})"));
  EXPECT_FALSE(allows(open, R"({"ab":1})"));
  EXPECT_FALSE(allows(open, R"({"ac":null})"));
  EXPECT_TRUE(allows(R"({"type":"object","minProperties":1})", R"({"a":1})"));
  EXPECT_FALSE(allows(R"({"type":"object","minProperties":1})", "{}"));
}

TEST(JsonSchema, NumbersExactly) {
  for (int low = -12; low <= 12; low += 3) {
    for (int high = low; high <= 115; high += 7) {
      const std::string schema =
          fmt::format(R"({{"type":"integer","minimum":{},"maximum":{}}})", low, high);
      const auto grammar = MUST(json_schema_grammar(MUST(base::JsonValue::parse(schema))));
      for (int value = -20; value <= 130; ++value) {
        ASSERT_EQ(MUST(grammar_accepts(grammar, std::to_string(value))),
                  value >= low && value <= high)
            << schema << " " << value;
      }
    }
  }
  const double bounds[] = {-2.5, -1, -0.125, 0, 0.3, 1, 1.05, 12.75};
  for (const double low : bounds) {
    for (const double high : bounds) {
      if (high <= low) continue;
      for (const bool open : {false, true}) {
        const std::string name = open ? "exclusiveM" : "m";
        const std::string schema =
            fmt::format(R"({{"type":"number","{0}inimum":{1},"{0}aximum":{2}}})", name, low, high);
        const auto grammar = MUST(json_schema_grammar(MUST(base::JsonValue::parse(schema))));
        for (int step = -3000; step <= 13000; step += 25) {
          const double value = step / 1000.0;
          const bool fits = open ? value > low && value < high : value >= low && value <= high;
          ASSERT_EQ(MUST(grammar_accepts(grammar, fmt::format("{}", value))), fits)
              << schema << " " << value;
          if (value != 0) {
            ASSERT_EQ(MUST(grammar_accepts(grammar, fmt::format("{:.4f}", value))), fits)
                << schema << " " << value;
          }
        }
      }
    }
  }
  EXPECT_TRUE(allows(R"({"type":"integer","multipleOf":7})", "-700000000007"));
  EXPECT_FALSE(allows(R"({"type":"integer","multipleOf":7})", "-700000000008"));
}

TEST(JsonSchema, Strings) {
  EXPECT_TRUE(allows(R"({"type":"string","minLength":2,"maxLength":3})", R"("é\n\u0041")"));
  EXPECT_FALSE(allows(R"({"type":"string","minLength":2,"maxLength":3})", R"("é")"));
  EXPECT_TRUE(allows(R"({"type":"string","pattern":"b+"})", R"("abbc\"")"));
  EXPECT_FALSE(allows(R"({"type":"string","pattern":"^b+$"})", R"("abb")"));
  EXPECT_TRUE(allows(R"({"type":"string","pattern":"^(?:a|bc){2}\\d$"})", R"("abc7")"));
  EXPECT_TRUE(allows(R"({"type":"string","pattern":"^[a-z]+$","maxLength":2})", R"("ab")"));
  EXPECT_FALSE(allows(R"({"type":"string","pattern":"^[a-z]+$","maxLength":2})", R"("abc")"));
  EXPECT_TRUE(allows(R"({"type":"string","format":"date"})", R"("2024-02-28")"));
  EXPECT_FALSE(allows(R"({"type":"string","format":"date"})", R"("2024-02-30")"));
  EXPECT_TRUE(allows(R"({"type":"string","format":"date"})", R"("soon")", kByTheLetter));
}

TEST(JsonSchema, Combinations) {
  const char* tree = R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{
      "v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},
      "required":["v","next"]}}})";
  EXPECT_TRUE(allows(tree, R"({"v":1,"next":{"v":2,"next":null}})"));
  EXPECT_FALSE(allows(tree, R"({"v":1,"next":{"v":2}})"));
  EXPECT_TRUE(allows(R"({"enum":[1,"a",null]})", "null"));
  EXPECT_FALSE(allows(R"({"enum":["a","abc"],"minLength":2})", R"("a")"));
  EXPECT_FALSE(allows(R"({"enum":[1,2.5],"type":"integer"})", "2.5"));
  EXPECT_TRUE(allows(R"({"allOf":[{"properties":{"a":{"const":1}}},{"properties":{"b":{}}}],
      "required":["a","b"]})",
                     R"({"a":1,"b":2})"));
  EXPECT_TRUE(allows(R"({"oneOf":[{"type":"string"},{"type":"integer"}]})", "3"));
  EXPECT_TRUE(allows(R"({"type":["integer","null"]})", "null"));
  EXPECT_TRUE(allows(R"({"prefixItems":[{"type":"integer"},{"type":"string"}],"items":false,
      "minItems":1})",
                     "[1]"));
  EXPECT_FALSE(
      allows(R"({"type":"array","items":{"type":"null"},"maxItems":2})", "[null,null,null]"));
}

TEST(JsonSchema, RefusedByNameAndPlace) {
  EXPECT_EQ(refusal(R"({"properties":{"a/b":{"not":{"type":"null"}}}})"),
            "the schema at '#/properties/a~1b': not is not there yet");
  EXPECT_EQ(refusal(R"({"oneOf":[{"type":"integer"},{"type":"number"}]})"),
            "the schema at '#': oneOf has branches 0 and 1 that a value could be of both of");
  EXPECT_EQ(refusal(R"({"$ref":"https://example.com/x"})"),
            "the schema at '#': $ref 'https://example.com/x' leads to nothing in this document");
  EXPECT_EQ(refusal(R"({"type":"text"})"),
            "the schema at '#': type is not the name of a kind, or a list of them");
  EXPECT_EQ(refusal(R"x({"type":"string","pattern":"(?=a)"})x"),
            "the schema at #: the pattern '(?=a)' has look-around or modifiers");
  EXPECT_EQ(refusal(R"({"type":"array","uniqueItems":true})"),
            "the schema at '#': uniqueItems is not there yet");
  EXPECT_EQ(refusal(R"({"const":1,"type":"string"})"), "the grammar allows no text at all");
}

TEST(JsonSchema, HostileSizes) {
  EXPECT_NE(refusal(R"({"type":"string","minLength":3000000})").find("states"), std::string::npos);
  // 4^12 branches together.
  std::string all = R"({"allOf":[)";
  for (int i = 0; i < 12; ++i) {
    all += fmt::format(
        R"({}{{"anyOf":[{{"minLength":{}}},{{"maxLength":{}}},{{"minItems":{}}},{{"maxItems":{}}}]}})",
        i == 0 ? "" : ",", i, i, i, i);
  }
  EXPECT_NE(refusal(all + "]}").find("needs more rules"), std::string::npos);
}

}  // namespace
}  // namespace freehold::model
