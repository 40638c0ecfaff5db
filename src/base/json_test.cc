#include "base/json.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/random.h"
#include "base/text.h"

namespace freehold::base {
namespace {

template <class Value>
std::string written(const Value& value) {
  std::string out;
  JsonWriter(out).value(value);
  return out;
}

TEST(JsonWriter, WritesNestedValues) {
  std::string out;
  JsonWriter json(out);
  json.begin_object().field("name", "a\"b").field("count", 3).key("list").begin_array();
  json.value(1.5f).null().value(true).begin_object().end_object().end_array();
  EXPECT_FALSE(json.complete());
  json.field("max", std::numeric_limits<uint64_t>::max()).end_object();
  EXPECT_TRUE(json.complete());
  EXPECT_EQ(out,
            R"({"name":"a\"b","count":3,"list":[1.5,null,true,{}],"max":18446744073709551615})");
}

TEST(JsonWriter, IndentsForPeople) {
  std::string out;
  JsonWriter json(out, JsonWriter::Layout::kIndented);
  json.begin_object().field("a", 1).key("b").begin_array().value(2).end_array();
  json.key("c").begin_array().end_array().end_object();
  EXPECT_EQ(out, "{\n  \"a\": 1,\n  \"b\": [\n    2\n  ],\n  \"c\": []\n}");
}

TEST(JsonWriter, EscapesEveryControlAndReplacesBadBytes) {
  std::string controls;
  for (char byte = 0; byte < 0x20; ++byte) controls += byte;
  EXPECT_EQ(nlohmann::json::parse(written(controls)).get<std::string>(), controls);
  EXPECT_EQ(written(std::string("\x01\x7F", 2)), "\"\\u0001\x7F\"");
  EXPECT_EQ(written("a\xFF\xC0\x80z"), "\"a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz\"");
  EXPECT_EQ(written("\xED\xA0\x80"), "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
  EXPECT_EQ(written("\xF0\x9F\x98\x80/"), "\"\xF0\x9F\x98\x80/\"");
}

TEST(JsonWriter, NumbersReadBackTheSame) {
  EXPECT_EQ(written(0.1f), "0.1");
  EXPECT_EQ(written(0.1), "0.1");
  EXPECT_EQ(written(std::numeric_limits<double>::quiet_NaN()), "null");
  EXPECT_EQ(written(-std::numeric_limits<float>::infinity()), "null");
  EXPECT_EQ(written(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  // Found by fuzz/json_fuzz.cc: as many digits as the other form, but no 64-bit integer.
  for (const double number : {18446744073709551615.5e2, -0x1p70, 0x1p63, 1e22, -0.0, 3.0}) {
    const double back = JsonValue::parse(written(number)).value().as_number().value();
    EXPECT_EQ(std::bit_cast<uint64_t>(back), std::bit_cast<uint64_t>(number)) << written(number);
  }
  RandomStream random(3);
  for (int i = 0; i < 20'000; ++i) {
    const float number = std::bit_cast<float>(random.next_u32());
    if (!std::isfinite(number)) continue;
    EXPECT_EQ(std::strtof(written(number).c_str(), nullptr), number);
    const double wide = std::bit_cast<double>(random.next_u64());
    if (!std::isfinite(wide)) continue;
    EXPECT_EQ(std::strtod(written(wide).c_str(), nullptr), wide);
    EXPECT_TRUE(nlohmann::json::accept(written(wide)));
  }
}

TEST(JsonWriterDeath, MisuseIsABug) {
  std::string out;
  EXPECT_DEATH(JsonWriter(out).begin_object().value(1), "CHECK");
  EXPECT_DEATH(JsonWriter(out).begin_array().end_object(), "CHECK");
  EXPECT_DEATH(JsonWriter(out).value(1).value(2), "CHECK");
}

TEST(JsonValue, ReadsEveryKind) {
  const JsonValue root =
      JsonValue::parse(R"({"s":"\u00e9\ud83d\ude00\n","i":-3,"u":18446744073709551615,)"
                       R"("d":1.5,"b":false,"n":null,"a":[1,[2]],"":{"x":1}})")
          .value();
  EXPECT_EQ(root.find_string("s").value(), "\xC3\xA9\xF0\x9F\x98\x80\n");
  EXPECT_EQ(root.find_integer("i").value(), -3);
  EXPECT_FALSE(root.find_unsigned("i").has_value());
  EXPECT_EQ(root.find_unsigned("u").value(), std::numeric_limits<uint64_t>::max());
  EXPECT_FALSE(root.find_integer("u").has_value());
  EXPECT_EQ(root.find_number("d").value(), 1.5);
  EXPECT_FALSE(root.find_integer("d").has_value());
  EXPECT_EQ(root.find_number("i").value(), -3.0);
  EXPECT_EQ(root.find_bool("b").value(), false);
  EXPECT_TRUE(root.find("n")->is_null());
  EXPECT_EQ(root.find_elements("a").size(), 2u);
  EXPECT_EQ(root.find_elements("a")[1].elements()[0].as_integer().value(), 2);
  EXPECT_EQ(root.find("")->find_integer("x").value(), 1);
  EXPECT_EQ(root.find("missing"), nullptr);
  EXPECT_FALSE(root.find_string("i").has_value());
  EXPECT_EQ(root.members()[2].key, "u");
  EXPECT_EQ(root.kind_name(), "an object");
}

TEST(JsonValue, RefusesWhatIsNotJson) {
  for (const char* bad : {"",
                          " ",
                          "{",
                          "[1,]",
                          "{\"a\":1,}",
                          "01",
                          "+1",
                          ".5",
                          "1.",
                          "nan",
                          "NaN",
                          "'a'",
                          "\"\t\"",
                          "\"\\x\"",
                          "\"\\ud800\"",
                          "[1] 2",
                          "{\"a\" 1}",
                          "{1:2}",
                          "tru",
                          "\"\xFF\"",
                          "\"abc",
                          "1e999",
                          "123456789012345678901234567890",
                          "{\"a\":1,\"b\":2,\"a\":3}",
                          "/*x*/1",
                          "\xEF\xBB\xBF"}) {
    const Result<JsonValue> result = JsonValue::parse(bad);
    ASSERT_FALSE(result.ok()) << bad;
    EXPECT_EQ(result.error().code, ErrorCode::kDamaged) << bad;
  }
}

TEST(JsonValue, LimitsHold) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  EXPECT_TRUE(JsonValue::parse(nested(64)).ok());
  EXPECT_EQ(JsonValue::parse(nested(65)).error().code, ErrorCode::kRefused);
  EXPECT_EQ(JsonValue::parse(nested(500'000)).error().code, ErrorCode::kRefused);
  EXPECT_FALSE(JsonValue::parse(std::string(1'000'000, '[')).ok());
  EXPECT_EQ(JsonValue::parse("[1,2,3]", {.bytes_max = 6}).error().code, ErrorCode::kRefused);
  EXPECT_TRUE(JsonValue::parse("[1,2,3]", {.bytes_max = 7}).ok());
}

// Whatever bytes come, the reader answers, and what it accepts an independent reader accepts.
TEST(JsonValue, AgreesWithAnotherReaderOnDamagedText) {
  const std::string good = R"({"a":[1,2.5,"x\u0041",{"b":null}],"c":true,"d":-1e-7})";
  RandomStream random(11);
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string text = good;
    for (uint32_t flips = 1 + random.below(3); flips > 0; --flips) {
      text[random.below(static_cast<uint32_t>(text.size()))] =
          static_cast<char>(random.below(4) == 0 ? random.below(256) : 32 + random.below(96));
    }
    const bool ours = JsonValue::parse(text).ok();
    accepted += ours;
    EXPECT_TRUE(!ours || nlohmann::json::accept(text)) << text;
  }
  EXPECT_GT(accepted, 1000);
}

}  // namespace
}  // namespace freehold::base
