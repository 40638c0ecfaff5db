#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "base/json.h"
#include "model/template/chat_template.h"

namespace freehold::model {
namespace {

using base::JsonValue;

TemplateValue to_value(const JsonValue& json) {
  TemplateValue value;
  if (const auto flag = json.as_bool()) {
    value.value = *flag;
  } else if (const auto integer = json.as_integer()) {
    value.value = *integer;
  } else if (const auto number = json.as_number()) {
    value.value = *number;
  } else if (const auto text = json.as_string()) {
    value.value = std::string(*text);
  } else if (json.is_array()) {
    TemplateList list;
    for (const JsonValue& item : json.elements()) list.push_back(to_value(item));
    value.value = std::move(list);
  } else if (json.is_object()) {
    TemplateObject object;
    for (const auto& member : json.members()) {
      object.push_back({member.key, to_value(member.value)});
    }
    value.value = std::move(object);
  }
  return value;
}

Result<std::string> rendered(std::string_view source, const ChatInput& input = {}) {
  const ChatTemplate chat = TRY(ChatTemplate::parse(source));
  return chat.render(input);
}

TEST(ChatTemplateTest, RendersAsJinja2Does) {
  std::ifstream file(std::string(FREEHOLD_SOURCE_DIR) + "/src/model/template/testdata/cases.jsonl");
  ChatInput input;
  std::string line;
  size_t count = 0;
  while (std::getline(file, line)) {
    const auto json = JsonValue::parse(line);
    ASSERT_TRUE(json.ok()) << line;
    if (const JsonValue* variables = json->find("variables")) {
      for (const auto& member : variables->members()) {
        input.variables.push_back({member.key, to_value(member.value)});
      }
      continue;
    }
    ++count;
    const std::string source(json->find_string("template").value());
    const auto text = rendered(source, input);
    const auto expected = json->find_string("text");
    if (source.find("__class__") != std::string::npos) {
      // jinja2 prints nothing there; ours says no.
      ASSERT_FALSE(text.ok()) << source;
      EXPECT_EQ(text.error().code, ErrorCode::kRefused) << source;
    } else if (expected.has_value()) {
      EXPECT_TRUE(text.ok()) << source << "\n" << (text.ok() ? "" : text.error().message);
      if (text.ok()) {
        EXPECT_EQ(*text, *expected) << source;
      }
    } else {
      EXPECT_FALSE(text.ok()) << source << "\n" << (text.ok() ? *text : "");
    }
  }
  EXPECT_GT(count, 340u);
}

TEST(ChatTemplateTest, MutantsOfWhiteSpaceRulesAreSeen) {
  // Each pair differs only in a rule that a careless lexer leaves out.
  const std::string block = "a\n  {% if true %}\nb{% endif %}\nc\n";
  EXPECT_EQ(*rendered(block), "a\nbc");  // lstrip_blocks, trim_blocks, no newline at the end
  for (const char* wrong : {"a\n  bc", "a\n\nbc", "a\nb\nc", "a\nbc\n", "a\n  \nb\nc\n"}) {
    EXPECT_NE(*rendered(block), wrong);
  }
  EXPECT_EQ(*rendered("a\n  {{ 1 }}\n"), "a\n  1");  // {{ is not stripped
  EXPECT_EQ(*rendered("x{% if true %}  {% endif %}"), "x  ");
}

constexpr std::string_view kChatMl =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nBe kind<|im_end|>\\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

TEST(ChatTemplateTest, ChatMl) {
  ChatInput input;
  input.messages.push_back({"user", "Hi", {}});
  EXPECT_EQ(*rendered(kChatMl, input),
            "<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n"
            "<|im_start|>assistant\n");
  input.messages.insert(input.messages.begin(), {"system", "Short.", {}});
  input.add_generation_prompt = false;
  EXPECT_EQ(*rendered(kChatMl, input),
            "<|im_start|>system\nShort.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n");
}

TEST(ChatTemplateTest, InputsReachTheTemplate) {
  ChatInput input;
  input.bos_token = "<s>";
  input.eos_token = "</s>";
  input.messages.push_back({"assistant", "", {{"tool_calls", {TemplateList{}}}, {"content", {}}}});
  EXPECT_EQ(*rendered("{{ bos_token }}{{ eos_token }}{{ messages[0].content is none }}"
                      "{{ messages[0].tool_calls }}{{ tools is none }}",
                      input),
            "<s></s>True[]True");
  input.tools.push_back({TemplateObject{{"name", {std::string("f")}}}});
  EXPECT_EQ(*rendered("{{ tools[0] | tojson }}", input), "{\"name\": \"f\"}");
}

TEST(ChatTemplateTest, TimeComesFromTheCaller) {
  const char* source = "{{ strftime_now('%d %b %Y') if strftime_now is defined else 'none' }}";
  EXPECT_EQ(*rendered(source), "none");
  ChatInput input;
  input.variables.push_back({"now", {int64_t{1'764'100'000}}});
  EXPECT_EQ(*rendered(source, input), "25 Nov 2025");
  EXPECT_EQ(*rendered("{{ strftime_now('%A %j %H:%M:%S %p %-d') }}", input),
            "Tuesday 329 19:46:40 PM 25");
  input.variables[0].value.value = int64_t{951'782'400};
  EXPECT_EQ(*rendered("{{ strftime_now('%Y-%m-%d %a') }}", input), "2000-02-29 Tue");
  input.variables[0].value.value = int64_t{-1};
  EXPECT_EQ(*rendered("{{ strftime_now('%Y-%m-%d %H:%M:%S') }}", input), "1969-12-31 23:59:59");
}

TEST(ChatTemplateTest, ErrorsSayWhere) {
  const auto syntax = ChatTemplate::parse("a\nb {% if %}");
  ASSERT_FALSE(syntax.ok());
  EXPECT_EQ(syntax.error().code, ErrorCode::kDamaged);
  EXPECT_NE(syntax.error().message.find("line 2, column 9"), std::string::npos)
      << syntax.error().message;
  const auto raised = rendered("{{ raise_exception('roles must alternate') }}");
  ASSERT_FALSE(raised.ok());
  EXPECT_EQ(raised.error().code, ErrorCode::kFailed);
  EXPECT_NE(raised.error().message.find("roles must alternate"), std::string::npos);
}

/// A hostile template ends in kRefused. Soon, too: these tests have no loop of their own to wait
/// in.
void expect_refused(const std::string& source) {
  const auto text = rendered(source);
  ASSERT_FALSE(text.ok()) << source.substr(0, 100);
  EXPECT_EQ(text.error().code, ErrorCode::kRefused) << text.error().message;
}

std::string repeated(std::string_view part, size_t times) {
  std::string text;
  for (size_t i = 0; i < times; ++i) text += part;
  return text;
}

TEST(HostileTemplateTest, LoopsEnd) {
  expect_refused(
      "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}");
  expect_refused("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
  expect_refused(
      "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}");
  expect_refused("{{ range(1000000000000) }}");
  expect_refused("{{ range(100000) | map('string') | map('list') | map('join') | unique | list }}");
}

TEST(HostileTemplateTest, TextsStayBounded) {
  expect_refused("{{ 'a' * 1000000000 }}");
  expect_refused("{{ [1] * 1000000000 }}");
  expect_refused(
      "{% set ns = namespace(s='ab') %}{% for i in range(60) %}"
      "{% set ns.s = ns.s + ns.s %}{% endfor %}");
  expect_refused(
      "{% set ns = namespace(s='ab') %}{% for i in range(60) %}"
      "{% set ns.s = ns.s ~ ns.s %}{% endfor %}");
  expect_refused(
      "{% set ns = namespace(s='ab') %}{% for i in range(60) %}"
      "{% set ns.s = ns.s.replace('', ns.s) %}{% endfor %}");
  expect_refused("{% for i in range(100000) %}{{ 'abcdefghij' * 100 }}{% endfor %}");
  expect_refused(
      "{% set s = 'a' * 8000000 %}{% for i in range(100000) %}{% set t = s + 'b' %}{% endfor %}");
  expect_refused("{{ ('x\n' * 100000) | indent(4000) }}");
}

TEST(HostileTemplateTest, SharedTreesAreCountedAsTheyAreWritten) {
  const std::string doubling =
      "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}"
      "{% set ns.l = [ns.l, ns.l] %}{% endfor %}";
  expect_refused(doubling + "{{ ns.l }}");
  expect_refused(doubling + "{{ ns.l | tojson }}");
  expect_refused(doubling + "{{ ns.l == [ns.l[0], ns.l[1]] }}");
  expect_refused(doubling + "{{ ns.l in [[ns.l[0], ns.l[1]]] }}");
  expect_refused(doubling + "{{ ns.l < [ns.l[0], ns.l[1]] }}");
  expect_refused(
      "{% set ns = namespace(l=[1]) %}{% for i in range(1000) %}"
      "{% set ns.l = [ns.l] %}{% endfor %}");
}

TEST(HostileTemplateTest, NestingIsBounded) {
  expect_refused("{{ " + repeated("(", 100'000) + "1" + repeated(")", 100'000) + " }}");
  expect_refused("{{ " + repeated("[", 100'000) + repeated("]", 100'000) + " }}");
  expect_refused("{{ " + repeated("not ", 100'000) + "1 }}");
  expect_refused("{{ " + repeated("-", 100'000) + "1 }}");
  expect_refused("{{ " + repeated("1 if 1 else ", 100'000) + "1 }}");
  expect_refused("{{ 1" + repeated(" + 1", 100'000) + " }}");
  expect_refused("{{ a" + repeated(".a", 100'000) + " }}");
  expect_refused("{{ 1" + repeated("|abs", 100'000) + " }}");
  expect_refused(repeated("{% if 1 %}", 100'000));
  expect_refused("{% for " + repeated("(", 100'000) + "a" + repeated(")", 100'000) + " in b %}");
  // What people write is far inside.
  EXPECT_EQ(*rendered("{{ " + repeated("(", 20) + "1" + repeated(")", 20) + " }}"), "1");
  EXPECT_EQ(*rendered("{{ 1" + repeated(" + 1", 150) + " }}"), "151");
}

TEST(HostileTemplateTest, TheSandboxHolds) {
  for (const char* source :
       {"{{ ''.__class__ }}", "{{ ''['__class__'] }}", "{{ '' | attr('__class__') }}",
        "{% import 'x' as y %}", "{% include 'x' %}", "{% extends 'x' %}",
        "{% from 'x' import y %}", "{{ [].append(1) }}", "{{ {}.update({}) }}",
        "{{ messages.pop() }}", "{{ 1 | system }}", "{{ [1] | map('system') }}", "{{ f(*[1]) }}"}) {
    expect_refused(source);
  }
  EXPECT_FALSE(rendered("{{ self }}{{ self.x }}").ok());
  EXPECT_EQ(*rendered("{% set ns = namespace() %}{% set ns.me = ns %}{{ ns.me.me is defined }}"),
            "True");
}

}  // namespace
}  // namespace freehold::model
