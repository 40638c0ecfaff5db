// A parameter is honoured or refused, by name.

#include "server/api/parameters.h"

#include <gtest/gtest.h>

#include "server/api/endpoint.h"
#include "server/api/messages_in.h"

namespace freehold::server {
namespace {

constexpr Parameter kTable[] = {
    {"model", Kind::kString, Use::kHonoured, 0, 0, true},
    {"top_p", Kind::kNumber, Use::kHonoured, 0, 1},
    {"n", Kind::kInteger, Use::kHonoured, 1, 8},
    {"stop", Kind::kStrings},
    {"user", Kind::kString, Use::kAccepted},
    {"tools", Kind::kArray, Use::kRefused},
};

/// "" where the body is fine, else the parameter that the refusal names.
std::string named(std::string_view text) {
  auto body = parse_body(text);
  if (!body.ok()) return "no JSON";
  const ApiStatus checked = check_parameters(*body, kTable);
  if (checked.ok()) return "";
  EXPECT_EQ(checked.error().status, 400);
  EXPECT_NE(checked.error().message.find(checked.error().param), std::string::npos);
  return checked.error().param;
}

TEST(Parameters, AreHonouredOrRefusedByName) {
  EXPECT_EQ(named(R"({"model":"m","top_p":0.5,"n":8,"stop":["a","b"],"user":"u"})"), "");
  EXPECT_EQ(named(R"({"model":"m","stop":"a","top_p":null,"tools":null})"), "");
  EXPECT_EQ(named(R"({"top_p":0.5})"), "model");
  EXPECT_EQ(named(R"({"model":null})"), "model");
  EXPECT_EQ(named(R"({"model":"m","temprature":1})"), "temprature");
  EXPECT_EQ(named(R"({"model":"m","top_p":1.5})"), "top_p");
  EXPECT_EQ(named(R"({"model":"m","top_p":"0.5"})"), "top_p");
  EXPECT_EQ(named(R"({"model":"m","n":0})"), "n");
  EXPECT_EQ(named(R"({"model":"m","n":1.5})"), "n");
  EXPECT_EQ(named(R"({"model":"m","stop":[1]})"), "stop");
  EXPECT_EQ(named(R"({"model":"m","user":1})"), "user");
}

TEST(Parameters, ThatAreNotThereYetMayAskForNothing) {
  EXPECT_EQ(named(R"({"model":"m","tools":[]})"), "");
  EXPECT_EQ(named(R"({"model":"m","tools":false})"), "");
  EXPECT_EQ(named(R"({"model":"m","tools":[1]})"), "tools");
  EXPECT_EQ(named(R"({"model":"m","tools":"none"})"), "tools");
}

TEST(Parameters, ABodyIsOneObject) {
  for (const char* text : {"", "[]", "1", "{", "{}{}", R"({"a":1,"a":2})", "\xFF"}) {
    EXPECT_EQ(parse_body(text).error().status, 400) << text;
  }
  EXPECT_FALSE(parse_body(R"({"a":)" + std::string(1000, '[') + std::string(1000, ']') + "}").ok());
}

TEST(Messages, AreTextsOrPartsOfText) {
  const auto read = [](std::string_view text) {
    const auto value = MUST(base::JsonValue::parse(text));
    return read_messages(value);
  };
  auto fine = read(R"([{"role":"developer","content":"d"},{"role":"user","content":
      [{"type":"text","text":"a"},{"type":"text","text":"b"}],"name":"n"},
      {"role":"assistant","content":null}])");
  ASSERT_TRUE(fine.ok());
  EXPECT_EQ((*fine)[0].role, "system");
  EXPECT_EQ((*fine)[1].content, "ab");
  EXPECT_EQ((*fine)[1].more.front().name, "name");
  for (const char* bad :
       {"[]", "[1]", R"([{"role":"user"}])", R"([{"role":"bot","content":"x"}])",
        R"([{"role":"user","content":1}])", R"([{"role":"user","content":[{"type":"text"}]}])",
        R"([{"role":"user","content":[{"type":"image_url","image_url":{}}]}])",
        R"([{"role":"user","content":"x","images":["aGk="]}])"}) {
    EXPECT_EQ(read(bad).error().status, 400) << bad;
  }
}

TEST(Routes, EachIsThereOnceWithASummary) {
  for (const Route& route : all_routes()) {
    EXPECT_FALSE(route.endpoint->summary.empty()) << route.path;
    size_t same = 0;
    for (const Route& other : all_routes()) {
      same += route.method == other.method && route.path == other.path ? 1 : 0;
    }
    EXPECT_EQ(same, 1u) << route.path;
  }
}

}  // namespace
}  // namespace freehold::server
