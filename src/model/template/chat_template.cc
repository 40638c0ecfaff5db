#include "model/template/chat_template.h"

#include <optional>

#include "model/template/interpreter.h"
#include "model/template/parser.h"

namespace freehold::model {

struct ChatTemplate::Program {
  jinja::NodePointer body;
};

namespace {

using jinja::Entries;
using jinja::Value;
using jinja::Values;

Result<Value> to_value(const TemplateValue& source, uint32_t depth);

Result<Value> to_dict(const TemplateObject& source, uint32_t depth) {
  Entries entries;
  for (const auto& [name, value] : source) {
    entries.emplace_back(Value::string(name), TRY(to_value(value, depth + 1)));
  }
  return jinja::make_dict(std::move(entries));
}

Result<Value> to_list(const TemplateList& source, uint32_t depth) {
  Values items;
  for (const TemplateValue& item : source) items.push_back(TRY(to_value(item, depth + 1)));
  return jinja::make_list(std::move(items));
}

Result<Value> to_value(const TemplateValue& source, uint32_t depth) {
  if (depth > jinja::kNestingMax) return jinja::refused("its input nests deeper than 64 levels");
  if (const auto* flag = std::get_if<bool>(&source.value)) return Value::boolean(*flag);
  if (const auto* integer = std::get_if<int64_t>(&source.value)) return Value::number(*integer);
  if (const auto* real = std::get_if<double>(&source.value)) return Value::number_of(*real);
  if (const auto* text = std::get_if<std::string>(&source.value)) return Value::string(*text);
  if (const auto* list = std::get_if<TemplateList>(&source.value)) return to_list(*list, depth);
  if (const auto* object = std::get_if<TemplateObject>(&source.value)) {
    return to_dict(*object, depth);
  }
  return Value::none();
}

/// role and content first, further fields in place of them where they have the same name.
Result<Value> to_message(const ChatMessage& message) {
  Entries entries;
  entries.emplace_back(Value::string("role"), Value::string(message.role));
  entries.emplace_back(Value::string("content"), Value::string(message.content));
  for (const auto& [name, source] : message.more) {
    Value value = TRY(to_value(source, 0));
    if (name == "content") {
      entries[1].second = std::move(value);
    } else {
      entries.emplace_back(Value::string(name), std::move(value));
    }
  }
  return jinja::make_dict(std::move(entries));
}

}  // namespace

ChatTemplate::ChatTemplate(std::unique_ptr<Program> program) : program_(std::move(program)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::parse(std::string_view source) {
  auto program = std::make_unique<Program>();
  program->body = TRY(jinja::parse_template(source));
  return ChatTemplate(std::move(program));
}

Result<std::string> ChatTemplate::render(const ChatInput& input) const {
  jinja::Context context;
  Values messages;
  for (const ChatMessage& message : input.messages) messages.push_back(TRY(to_message(message)));
  context.variables.emplace_back("messages", TRY(jinja::make_list(std::move(messages))));
  context.variables.emplace_back(
      "tools", input.tools.empty() ? Value::none() : TRY(to_list(input.tools, 0)));
  context.variables.emplace_back("documents", Value::none());
  context.variables.emplace_back("add_generation_prompt",
                                 Value::boolean(input.add_generation_prompt));
  context.variables.emplace_back("bos_token", Value::string(input.bos_token));
  context.variables.emplace_back("eos_token", Value::string(input.eos_token));
  for (const auto& [name, source] : input.variables) {
    if (name == "now") {
      const auto* seconds = std::get_if<int64_t>(&source.value);
      if (seconds == nullptr) return jinja::failed("'now' is not a number of seconds");
      context.now = *seconds;
      continue;
    }
    context.variables.emplace_back(name, TRY(to_value(source, 0)));
  }
  return jinja::run(*program_->body, context);
}

}  // namespace freehold::model
