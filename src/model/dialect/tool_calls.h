#pragma once
// Tool calls in what a model writes, by the dialect of its family (dialects.def): a stream that
// tells them from text, and the grammar that makes a model write them. What is no whole, sound call
// is text: no call is ever invented. Pure; one stream per object.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "model/grammar/grammar.h"

namespace freehold::model {

enum class ToolCallForm {
  kJsonObject,   ///< {"name": …, "arguments" or "parameters": {…}}
  kJsonList,     ///< [that, …], or NAME{…} (with [ARGS] between in newer models)
  kXmlFunction,  ///< <function=NAME><parameter=KEY>text</parameter>…</function>
  kChannel,      ///< NAME, further header, <|message|>{…}
  kFenced        ///< function, a separator, NAME, then {…} in a ```json fence
};

struct ToolDialect {
  std::string_view name;
  std::string_view in_template;
  std::string_view begin;
  std::string_view end;
  ToolCallForm form;
};

std::span<const ToolDialect> tool_dialects();
/// The dialect that a chat template shows; nullptr where it shows none.
const ToolDialect* dialect_of_template(std::string_view template_source);

struct ToolCall {
  std::string name;
  std::string arguments;  // a JSON object
  bool operator==(const ToolCall&) const = default;
};

/// A piece of text, or a call.
struct AnswerEvent {
  std::string text{};
  std::optional<ToolCall> call{};
};

class ToolCallStream {
 public:
  explicit ToolCallStream(const ToolDialect& dialect) : dialect_(dialect) {}
  /// Events that are sure by now. The text of all pieces together, with its calls, does not depend
  /// on how it was cut.
  std::vector<AnswerEvent> push(std::string_view piece);
  std::vector<AnswerEvent> finish();

 private:
  enum class Last { kNo, kYes };
  void run(std::vector<AnswerEvent>& events, Last last);
  bool take_call(std::vector<AnswerEvent>& events, Last last);
  void emit(std::vector<AnswerEvent>& events, size_t bytes);

  const ToolDialect& dialect_;
  std::string held_;
  bool inside_ = false;
  size_t searched_ = 0;  // ends of a call before it were tried
};

/// The calls that `body`, what stands between the marks, is; nothing where it is not sound.
std::optional<std::vector<ToolCall>> parse_tool_calls(ToolCallForm form, std::string_view body);

struct ToolDefinition {
  std::string name;
  const base::JsonValue* parameters = nullptr;  // JSON Schema; nullptr: any object
};

enum class ToolChoice { kAuto, kRequired };

/// Answers in which every call is of one of `tools` with arguments that fit it: kAuto: text and
/// calls as the model likes; kRequired: calls alone (one tool of them: the named one). kRefused
/// by name for a dialect that has no grammar yet, and as json_schema_grammar().
Result<Grammar> tool_grammar(const ToolDialect& dialect, std::span<const ToolDefinition> tools,
                             ToolChoice choice);

}  // namespace freehold::model
