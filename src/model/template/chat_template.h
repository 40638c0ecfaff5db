#pragma once
// Chat templates: the Jinja that model files carry, run by our own sandboxed engine with fuel,
// depth and output limits (1,000,000 steps, 64 levels, 8 MiB; no imports, no `__` attributes).
// Immutable after parse(); any thread.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace freehold::model {

/// A value as templates see it: what JSON can say, with objects in the order they were written.
struct TemplateMember;
struct TemplateValue;
using TemplateList = std::vector<TemplateValue>;
using TemplateObject = std::vector<TemplateMember>;
struct TemplateValue {
  std::variant<std::monostate, bool, int64_t, double, std::string, TemplateList, TemplateObject>
      value;
};
struct TemplateMember {
  std::string name;
  TemplateValue value;
};

struct ChatMessage {
  std::string role;  // "system", "user", "assistant", "tool"
  std::string content;
  TemplateObject more;  // further fields as the caller has them: tool_calls, name, …
};

struct ChatInput {
  std::vector<ChatMessage> messages;
  TemplateList tools;  // empty: the template sees none
  bool add_generation_prompt = true;
  std::string bos_token;
  std::string eos_token;
  TemplateObject variables;  // further names, such as enable_thinking
};

class ChatTemplate {
 public:
  /// kDamaged with line and column for what is not Jinja; kRefused for what the sandbox forbids.
  static Result<ChatTemplate> parse(std::string_view source);
  /// The prompt's text. kRefused where a limit is reached, kFailed where the template raises an
  /// error
  /// (`raise_exception`) or uses something undefined.
  Result<std::string> render(const ChatInput& input) const;

  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();
  struct Program;

 private:
  explicit ChatTemplate(std::unique_ptr<Program> program);
  std::unique_ptr<Program> program_;
};

}  // namespace freehold::model
