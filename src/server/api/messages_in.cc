#include "server/api/messages_in.h"

#include <fmt/format.h>

#include "base/text.h"

namespace freehold::server {

namespace {

ApiError bad_message(const std::string& where, const std::string& what) {
  return {.message = fmt::format("'{}': {}", where, what), .param = where, .code = "invalid_value"};
}

bool known_role(std::string_view role) {
  return role == "system" || role == "developer" || role == "user" || role == "assistant" ||
         role == "tool";
}

}  // namespace

model::TemplateValue template_value(const base::JsonValue& value) {
  if (const auto flag = value.as_bool()) return {*flag};
  if (const auto whole = value.as_integer()) return {*whole};
  if (const auto number = value.as_number()) return {*number};
  if (const auto text = value.as_string()) return {std::string(*text)};
  if (value.is_array()) {
    model::TemplateList list;
    for (const base::JsonValue& one : value.elements()) list.push_back(template_value(one));
    return {std::move(list)};
  }
  if (value.is_object()) {
    model::TemplateObject object;
    for (const base::JsonMember& member : value.members()) {
      object.push_back({member.key, template_value(member.value)});
    }
    return {std::move(object)};
  }
  return {};
}

ApiResult<std::string> read_content(const base::JsonValue& content, const std::string& where) {
  if (const auto text = content.as_string()) return std::string(*text);
  if (content.is_null()) return std::string();
  if (!content.is_array()) return bad_message(where, "it is a text or an array of parts");
  std::string text;
  for (const base::JsonValue& part : content.elements()) {
    const auto type = part.find_string("type");
    const bool known = type == "text" || type == "input_text" || type == "output_text";
    const auto piece = part.find_string("text");
    if (!type || (known && !piece)) return bad_message(where, "a part has a type and a text");
    if (!known) {
      return bad_message(where, fmt::format("parts of type {} cannot be read by this model",
                                            base::printable(*type)));
    }
    text += *piece;
  }
  return text;
}

ApiResult<std::vector<model::ChatMessage>> read_messages(const base::JsonValue& messages) {
  std::vector<model::ChatMessage> list;
  if (messages.elements().empty()) return bad_message("messages", "there is none");
  for (size_t i = 0; i < messages.elements().size(); ++i) {
    const base::JsonValue& one = messages.elements()[i];
    const std::string where = fmt::format("messages[{}]", i);
    const auto role = one.find_string("role");
    if (!role || !known_role(*role)) {
      return bad_message(where, "its role is system, developer, user, assistant or tool");
    }
    model::ChatMessage message;
    // What newer clients call developer, templates call system.
    message.role = *role == "developer" ? "system" : std::string(*role);
    if (const base::JsonValue* content = one.find("content")) {
      message.content = TRY(read_content(*content, where + ".content"));
    } else if (*role != "assistant") {
      return bad_message(where, "it has no content");
    }
    for (const base::JsonMember& member : one.members()) {
      if (member.key == "role" || member.key == "content" || member.value.is_null()) continue;
      if (member.key == "images" && !member.value.elements().empty()) {
        return bad_message(where, "images cannot be read by this model");
      }
      message.more.push_back({member.key, template_value(member.value)});
    }
    list.push_back(std::move(message));
  }
  return list;
}

}  // namespace freehold::server
