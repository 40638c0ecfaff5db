// A chat template of any bytes, rendered with a small conversation. It ends, within its limits, in
// text or in an error; the same source ends the same way twice.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "model/template/chat_template.h"

namespace {

using freehold::model::ChatInput;
using freehold::model::ChatTemplate;
using freehold::model::TemplateList;
using freehold::model::TemplateObject;

ChatInput conversation() {
  ChatInput input;
  input.messages.push_back({"system", "Short.", {}});
  input.messages.push_back({"user", "Why \"so\" <blue>?\n", {}});
  input.messages.push_back(
      {"assistant",
       "",
       {{"tool_calls", {TemplateList{{TemplateObject{{"name", {std::string("f")}}}}}}}}});
  input.tools.push_back({TemplateObject{{"name", {std::string("f")}}, {"strict", {true}}}});
  input.variables.push_back({"now", {int64_t{1'764'100'000}}});
  input.bos_token = "<s>";
  return input;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto chat = ChatTemplate::parse(source);
  if (!chat.ok()) {
    CHECK(!chat.error().message.empty());
    return 0;
  }
  const ChatInput input = conversation();
  const auto first = chat->render(input);
  if (first.ok()) {
    CHECK(first->size() <= (8u << 20));
    CHECK(*chat->render(input) == *first);
  } else {
    CHECK(!first.error().message.empty());
  }
  return 0;
}
