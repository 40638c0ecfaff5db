// Renders a template with many conversations, for tools/oracle/template_diff.py.
//
//   template_dump TEMPLATE.jinja < conversations.json
//
// stdin: a JSON array of objects with messages, tools, add_generation_prompt, bos_token, eos_token
// and further variables. stdout: a line of JSON each, the text or {"error": …}.

#include <cstdio>
#include <string>

#include "base/json.h"
#include "model/template/chat_template.h"

namespace {

using freehold::base::JsonValue;
using freehold::model::ChatInput;
using freehold::model::ChatMessage;
using freehold::model::ChatTemplate;
using freehold::model::TemplateList;
using freehold::model::TemplateObject;
using freehold::model::TemplateValue;

std::string read_all(std::FILE* file) {
  std::string all;
  char buffer[65536];
  while (const size_t got = std::fread(buffer, 1, sizeof(buffer), file)) all.append(buffer, got);
  return all;
}

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

ChatInput to_input(const JsonValue& json) {
  ChatInput input;
  for (const auto& [key, value] : json.members()) {
    if (key == "messages") {
      for (const JsonValue& source : value.elements()) {
        ChatMessage message;
        for (const auto& field : source.members()) {
          if (field.key == "role") {
            message.role = field.value.as_string().value_or("");
          } else if (field.key == "content" && field.value.is_string()) {
            message.content = *field.value.as_string();
          } else {
            message.more.push_back({field.key, to_value(field.value)});
          }
        }
        input.messages.push_back(std::move(message));
      }
    } else if (key == "tools") {
      for (const JsonValue& tool : value.elements()) input.tools.push_back(to_value(tool));
    } else if (key == "add_generation_prompt") {
      input.add_generation_prompt = value.as_bool().value_or(false);
    } else if (key == "bos_token") {
      input.bos_token = value.as_string().value_or("");
    } else if (key == "eos_token") {
      input.eos_token = value.as_string().value_or("");
    } else {
      input.variables.push_back({key, to_value(value)});
    }
  }
  return input;
}

/// One line of JSON: a string, or an object that says what went wrong.
void print(const freehold::Result<std::string>& text) {
  std::string line;
  if (text.ok()) {
    freehold::base::append_json_string(line, *text);
  } else {
    line = "{\"error\":";
    freehold::base::append_json_string(line, text.error().message);
    line += ",\"code\":" + std::to_string(static_cast<int>(text.error().code)) + "}";
  }
  std::puts(line.c_str());
}

int run(const char* path) {
  std::FILE* file = std::fopen(path, "rb");
  if (file == nullptr) return 3;
  const std::string source = read_all(file);
  std::fclose(file);
  const auto json = JsonValue::parse(read_all(stdin));
  if (!json.ok()) {
    std::fprintf(stderr, "%s\n", json.error().message.c_str());
    return 2;
  }
  const auto chat = ChatTemplate::parse(source);
  for (const JsonValue& input : json->elements()) {
    if (chat.ok()) {
      print(chat->render(to_input(input)));
    } else {
      print(chat.error());
    }
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) { return count == 2 ? run(arguments[1]) : 2; }
