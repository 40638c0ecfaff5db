#pragma once
// A conversation as clients send it to what templates see. Outside input; pure.

#include <span>
#include <vector>

#include "base/json.h"
#include "model/template/chat_template.h"
#include "server/api/api_result.h"

namespace freehold::server {

/// OpenAI's and Ollama's messages: a role, and content that is a text or an array of parts of type
/// "text". Other fields reach the template as they are. 400 naming the message for what is no such
/// thing, or what nothing here can read (images, audio).
ApiResult<std::vector<model::ChatMessage>> read_messages(const base::JsonValue& messages);

/// The text of a "content": a text, or parts of type "text".
ApiResult<std::string> read_content(const base::JsonValue& content, const std::string& where);

/// Any JSON value as templates see it.
model::TemplateValue template_value(const base::JsonValue& value);

}  // namespace freehold::server
