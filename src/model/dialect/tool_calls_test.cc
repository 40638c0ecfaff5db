// Every dialect's calls, cut at every byte; look-alikes; grammars that force what streams read.

#include "model/dialect/tool_calls.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "base/random.h"
#include "model/grammar/matcher.h"

namespace freehold::model {
namespace {

const ToolDialect& dialect(std::string_view name) {
  for (const ToolDialect& row : tool_dialects()) {
    if (row.name == name) return row;
  }
  ADD_FAILURE() << name;
  return tool_dialects()[0];
}

/// "text|name(arguments)|text" of an answer in pieces of at most `piece` bytes.
std::string read(const ToolDialect& row, std::string_view text, size_t piece) {
  ToolCallStream stream(row);
  std::string out;
  const auto add = [&](const std::vector<AnswerEvent>& events) {
    for (const AnswerEvent& event : events) {
      out += event.text;
      if (event.call) out += fmt::format("|{}({})|", event.call->name, event.call->arguments);
    }
  };
  for (size_t at = 0; at < text.size(); at += piece) add(stream.push(text.substr(at, piece)));
  add(stream.finish());
  return out;
}

void expect(std::string_view name, std::string_view text, std::string_view wanted) {
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{7}, text.size()}) {
    EXPECT_EQ(read(dialect(name), text, piece), wanted) << name << " in pieces of " << piece;
  }
}

TEST(ToolCalls, EveryDialect) {
  expect("hermes", "Hi <tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call> on",
         "Hi |f({\"a\":1})| on");
  expect("qwen_xml",
         "<tool_call>\n<function=f>\n<parameter=a>\nx </parameter> y\n</parameter>\n"
         "<parameter=n>\n[1, 2]\n</parameter>\n</function>\n</tool_call>",
         "|f({\"a\":\"x </parameter> y\",\"n\":[1,2]})|");
  expect("llama3", "<|python_tag|>{\"name\": \"f\", \"parameters\": {\"q\": \"é\"}}",
         "|f({\"q\":\"é\"})|");
  expect("mistral",
         "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {}}, {\"name\": \"g\", \"arguments\": {}}]",
         "|f({})||g({})|");
  expect("mistral", "[TOOL_CALLS]f[ARGS]{\"a\": null}", "|f({\"a\":null})|");
  expect("harmony",
         "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\":1}<|call|>",
         "|f({\"a\":1})|");
  expect("deepseek",
         "<｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\":1}\n```<｜tool▁call▁end｜>",
         "|f({\"a\":1})|");
  expect("command",
         "<|START_ACTION|>[{\"tool_name\": \"f\", \"parameters\": {\"a\": 1}}]<|END_ACTION|>",
         "|f({\"a\":1})|");
}

TEST(ToolCalls, WhatIsNoCallIsText) {
  expect("hermes", "a <tool_call>{\"name\": \"f\"}</tool_call> b",
         "a <tool_call>{\"name\": \"f\"}</tool_call> b");
  expect("hermes", "a <tool_call>{\"name\": \"f\", \"arguments\": {",
         "a <tool_call>{\"name\": \"f\", \"arguments\": {");
  expect("hermes", "a <tool_cal", "a <tool_cal");
  // An end inside an argument is no end.
  expect("hermes", "<tool_call>{\"name\":\"f\",\"arguments\":{\"x\":\"</tool_call>\"}}</tool_call>",
         "|f({\"x\":\"</tool_call>\"})|");
  expect("hermes", "<tool_call>no <tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>",
         "<tool_call>no |f({})|");
}

TEST(ToolCalls, DialectOfATemplate) {
  EXPECT_EQ(dialect_of_template("{{ '<tool_call>' }}")->name, "hermes");
  EXPECT_EQ(dialect_of_template("<tool_call>\n<function=x>")->name, "qwen_xml");
  EXPECT_EQ(dialect_of_template("{{ messages }}"), nullptr);
}

TEST(ToolCalls, GrammarsMakeWhatStreamsRead) {
  const auto schema = MUST(base::JsonValue::parse(
      R"({"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]})"));
  const ToolDefinition tools[] = {{"f", &schema}, {"g", nullptr}};
  const Grammar required = MUST(tool_grammar(dialect("hermes"), tools, ToolChoice::kRequired));
  const char* call = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"n\": 1}}\n</tool_call>";
  EXPECT_TRUE(MUST(grammar_accepts(required, call)));
  EXPECT_TRUE(MUST(grammar_accepts(required, fmt::format("{}\n{}", call, call))));
  EXPECT_FALSE(MUST(grammar_accepts(required, "Hello")));
  EXPECT_FALSE(MUST(grammar_accepts(required, fmt::format("Hello {}", call))));
  const Grammar automatic = MUST(tool_grammar(dialect("hermes"), tools, ToolChoice::kAuto));
  EXPECT_TRUE(MUST(grammar_accepts(automatic, "Hello")));
  EXPECT_TRUE(MUST(grammar_accepts(automatic, fmt::format("Hello {} and <tool_", call))));
  EXPECT_FALSE(MUST(grammar_accepts(automatic, "Hello <tool_call>{\"name\": \"h\"")));
  EXPECT_FALSE(MUST(grammar_accepts(
      automatic, "<tool_call>{\"name\": \"f\", \"arguments\": {\"n\": \"x\"}}</tool_call>")));
  EXPECT_FALSE(tool_grammar(dialect("harmony"), tools, ToolChoice::kAuto).ok());
}

}  // namespace
}  // namespace freehold::model
