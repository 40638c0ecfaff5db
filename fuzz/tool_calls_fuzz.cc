// Any bytes as an answer in every dialect: whole and in pieces it is the same text and the same
// calls, and the arguments of a call are a JSON object.

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "model/dialect/tool_calls.h"

using namespace freehold;  // NOLINT: a program of its own

namespace {

std::string read(const model::ToolDialect& dialect, std::string_view text, size_t piece) {
  model::ToolCallStream stream(dialect);
  std::string out;
  const auto add = [&](const std::vector<model::AnswerEvent>& events) {
    for (const model::AnswerEvent& event : events) {
      out += event.text;
      if (!event.call) continue;
      const auto arguments = base::JsonValue::parse(event.call->arguments);
      CHECK(arguments.ok() && arguments->is_object() && !event.call->name.empty());
      out += '\0' + event.call->name + '\0' + event.call->arguments + '\0';
    }
  };
  for (size_t at = 0; at < text.size(); at += piece) add(stream.push(text.substr(at, piece)));
  add(stream.finish());
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4096) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const model::ToolDialect& dialect : model::tool_dialects()) {
    const std::string whole = read(dialect, text, text.size() + 1);
    CHECK(read(dialect, text, 1) == whole);
    CHECK(read(dialect, text, 5) == whole);
  }
  return 0;
}
