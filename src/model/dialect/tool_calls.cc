#include "model/dialect/tool_calls.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/grammar/json_schema.h"
#include "model/grammar/json_text.h"

namespace freehold::model {

namespace {

constexpr ToolDialect kDialects[] = {
#define FREEHOLD_DIALECT(name, in_template, begin, end, form) \
  {#name, in_template, begin, end, ToolCallForm::form},
#include "model/dialect/dialects.def"
#undef FREEHOLD_DIALECT
};

/// A call that is longer is text: nobody waits for its end.
constexpr size_t kCallBytesMax = 1u << 20;
constexpr std::string_view kBlanks = " \t\r\n";

/// How many bytes at the end of `text` may be the beginning of `mark`.
size_t partial_mark(std::string_view text, std::string_view mark) {
  for (size_t length = std::min(text.size(), mark.size() - 1); length > 0; --length) {
    if (text.ends_with(mark.substr(0, length))) return length;
  }
  return 0;
}

std::optional<ToolCall> call_of_object(const base::JsonValue& value) {
  for (const std::string_view name_key : {"name", "tool_name"}) {
    const auto name = value.find_string(name_key);
    if (!name || name->empty()) continue;
    for (const std::string_view key : {"arguments", "parameters"}) {
      const base::JsonValue* arguments = value.find(key);
      if (arguments != nullptr && arguments->is_object()) {
        return ToolCall{std::string(*name), written_json(*arguments)};
      }
    }
  }
  return std::nullopt;
}

std::optional<std::vector<ToolCall>> named_object(std::string_view name, std::string_view json) {
  const auto arguments = base::JsonValue::parse(json);
  if (name.empty() || !arguments.ok() || !arguments->is_object()) return std::nullopt;
  return std::vector{ToolCall{std::string(name), written_json(*arguments)}};
}

std::optional<std::vector<ToolCall>> object_or_list(std::string_view body) {
  const auto parsed = base::JsonValue::parse(body);
  if (!parsed.ok()) return std::nullopt;
  std::vector<ToolCall> calls;
  const auto add = [&](const base::JsonValue& value) {
    auto call = call_of_object(value);
    if (call) calls.push_back(*std::move(call));
    return call.has_value();
  };
  if (parsed->is_object()) {
    if (!add(*parsed)) return std::nullopt;
    return calls;
  }
  for (const base::JsonValue& value : parsed->elements()) {
    if (!add(value)) return std::nullopt;
  }
  if (calls.empty()) return std::nullopt;
  return calls;
}

std::optional<std::vector<ToolCall>> list_or_named(std::string_view body) {
  if (body.starts_with('[') || body.starts_with('{')) return object_or_list(body);
  const size_t brace = body.find('{');
  if (brace == std::string_view::npos) return std::nullopt;
  std::string_view name = base::trimmed(body.substr(0, brace), kBlanks);
  constexpr std::string_view kArguments = "[ARGS]";
  if (name.ends_with(kArguments)) name.remove_suffix(kArguments.size());
  return named_object(name, body.substr(brace));
}

/// Values are text; what is a JSON number, object, list, boolean or null is that.
std::optional<std::vector<ToolCall>> xml_function(std::string_view body) {
  constexpr std::string_view kFunction = "<function=";
  constexpr std::string_view kParameter = "<parameter=";
  constexpr std::string_view kParameterEnd = "</parameter>";
  constexpr std::string_view kFunctionEnd = "</function>";
  if (!body.starts_with(kFunction) || !body.ends_with(kFunctionEnd)) return std::nullopt;
  body.remove_prefix(kFunction.size());
  body.remove_suffix(kFunctionEnd.size());
  const size_t name_end = body.find('>');
  if (name_end == std::string_view::npos || name_end == 0) return std::nullopt;
  ToolCall call{std::string(body.substr(0, name_end)), {}};
  body.remove_prefix(name_end + 1);
  base::JsonWriter json(call.arguments);
  json.begin_object();
  std::vector<std::string> keys;
  for (body = base::trimmed(body, kBlanks); !body.empty(); body = base::trimmed(body, kBlanks)) {
    const size_t key_end = body.find('>');
    if (!body.starts_with(kParameter) || key_end == std::string_view::npos) return std::nullopt;
    const std::string key(body.substr(kParameter.size(), key_end - kParameter.size()));
    body.remove_prefix(key_end + 1);
    // A value may hold what looks like its end: the end is the last before the next parameter.
    size_t end = body.find(kParameterEnd);
    while (end != std::string_view::npos) {
      const auto rest = base::trimmed(body.substr(end + kParameterEnd.size()), kBlanks);
      if (rest.empty() || rest.starts_with(kParameter)) break;
      end = body.find(kParameterEnd, end + 1);
    }
    if (end == std::string_view::npos || key.empty()) return std::nullopt;
    if (std::find(keys.begin(), keys.end(), key) != keys.end()) return std::nullopt;
    keys.push_back(key);
    std::string_view value = body.substr(0, end);
    if (value.starts_with('\n')) value.remove_prefix(1);
    if (value.ends_with('\n')) value.remove_suffix(1);
    const auto parsed = base::JsonValue::parse(value);
    json.key(key);
    if (parsed.ok() && !parsed->is_string()) {
      json.raw(written_json(*parsed));
    } else {
      json.value(value);
    }
    body.remove_prefix(end + kParameterEnd.size());
  }
  json.end_object();
  return std::vector{std::move(call)};
}

std::optional<std::vector<ToolCall>> channel_call(std::string_view body) {
  constexpr std::string_view kMessage = "<|message|>";
  const size_t message = body.find(kMessage);
  if (message == std::string_view::npos) return std::nullopt;
  const std::string_view header = body.substr(0, message);
  return named_object(header.substr(0, header.find_first_of(" <")),
                      base::trimmed(body.substr(message + kMessage.size()), kBlanks));
}

std::optional<std::vector<ToolCall>> fenced_call(std::string_view body) {
  constexpr std::string_view kSeparator = "<｜tool▁sep｜>";
  const size_t separator = body.find(kSeparator);
  if (separator == std::string_view::npos) return std::nullopt;
  std::string_view rest = body.substr(separator + kSeparator.size());
  // Newer models write NAME, the separator and the arguments.
  if (rest.starts_with('{'))
    return named_object(base::trimmed(body.substr(0, separator), kBlanks), rest);
  constexpr std::string_view kFence = "```json";
  const size_t fence = rest.find(kFence);
  if (fence == std::string_view::npos) return std::nullopt;
  const std::string_view name = base::trimmed(rest.substr(0, fence), kBlanks);
  rest = base::trimmed(rest.substr(fence + kFence.size()), kBlanks);
  if (!rest.ends_with("```")) return std::nullopt;
  rest.remove_suffix(3);
  return named_object(name, base::trimmed(rest, kBlanks));
}

}  // namespace

std::span<const ToolDialect> tool_dialects() { return kDialects; }

const ToolDialect* dialect_of_template(std::string_view source) {
  const auto* found =
      std::find_if(std::begin(kDialects), std::end(kDialects), [&](const ToolDialect& dialect) {
        return source.find(dialect.in_template) != std::string_view::npos;
      });
  return found == std::end(kDialects) ? nullptr : found;
}

std::optional<std::vector<ToolCall>> parse_tool_calls(ToolCallForm form, std::string_view body) {
  body = base::trimmed(body, kBlanks);
  switch (form) {
    case ToolCallForm::kJsonObject:
      return object_or_list(body);
    case ToolCallForm::kJsonList:
      return list_or_named(body);
    case ToolCallForm::kXmlFunction:
      return xml_function(body);
    case ToolCallForm::kChannel:
      return channel_call(body);
    case ToolCallForm::kFenced:
      break;
  }
  return fenced_call(body);
}

std::vector<AnswerEvent> ToolCallStream::push(std::string_view piece) {
  held_ += piece;
  std::vector<AnswerEvent> events;
  run(events, Last::kNo);
  return events;
}

std::vector<AnswerEvent> ToolCallStream::finish() {
  std::vector<AnswerEvent> events;
  run(events, Last::kYes);
  return events;
}

void ToolCallStream::emit(std::vector<AnswerEvent>& events, size_t bytes) {
  if (bytes == 0) return;
  events.push_back({held_.substr(0, bytes), std::nullopt});
  held_.erase(0, bytes);
}

void ToolCallStream::run(std::vector<AnswerEvent>& events, Last last) {
  while (!held_.empty()) {
    if (inside_) {
      if (!take_call(events, last)) return;
      continue;
    }
    const size_t begin = held_.find(dialect_.begin);
    if (begin == std::string::npos) {
      const size_t kept = last == Last::kYes ? 0 : partial_mark(held_, dialect_.begin);
      emit(events, held_.size() - kept);
      return;
    }
    emit(events, begin);
    inside_ = true;
    searched_ = dialect_.begin.size();
  }
}

// The first end behind which the call is sound counts: an end may also stand inside an argument.
// False: more is needed.
bool ToolCallStream::take_call(std::vector<AnswerEvent>& events, Last last) {
  const size_t from = dialect_.begin.size();
  const bool open_ended = dialect_.end.empty();
  while (held_.size() <= kCallBytesMax) {
    size_t end = open_ended ? held_.size() : held_.find(dialect_.end, searched_);
    if (open_ended && last == Last::kNo) return false;
    if (end == std::string::npos) break;
    auto calls = parse_tool_calls(dialect_.form, std::string_view(held_).substr(from, end - from));
    if (calls) {
      for (ToolCall& call : *calls) events.push_back({{}, std::move(call)});
      held_.erase(0, end + dialect_.end.size());
      inside_ = false;
      return true;
    }
    if (open_ended) break;
    searched_ = end + 1;
  }
  if (last == Last::kNo && held_.size() <= kCallBytesMax) return false;
  // No call: its mark is text, and what follows is looked at anew.
  emit(events, from);
  inside_ = false;
  return true;
}

Result<Grammar> tool_grammar(const ToolDialect& dialect, std::span<const ToolDefinition> tools,
                             ToolChoice choice) {
  if (dialect.form != ToolCallForm::kJsonObject) {
    return Error{
        ErrorCode::kRefused,
        fmt::format("there is no grammar for tool calls of the dialect {} yet", dialect.name),
        "leave tool_choice out"};
  }
  GrammarBuilder builder;
  JsonText json(builder);
  std::vector<GrammarBuilder::ExpressionId> calls;
  const std::string_view arguments = dialect.name == "llama3" ? "parameters" : "arguments";
  for (const ToolDefinition& tool : tools) {
    auto fits = json.any_object();
    if (tool.parameters != nullptr)
      fits = builder.call(TRY(add_json_schema(builder, *tool.parameters)));
    calls.push_back(
        builder.sequence({builder.text("{"), json.space(), builder.text("\"name\":"), json.space(),
                          json.literal(tool.name), json.space(), builder.text(","), json.space(),
                          json.literal(arguments), builder.text(":"), json.space(), fits,
                          json.space(), builder.text("}"), json.space()}));
  }
  const auto body = builder.new_rule("a tool call");
  const auto end = dialect.end.empty() ? builder.nothing() : builder.mark(dialect.end);
  builder.define(body, builder.sequence({json.space(), builder.choice(std::move(calls)), end}));
  const auto root = builder.rule("root");
  const bool several = !dialect.end.empty();
  const uint32_t most = several ? GrammarBuilder::kUnbounded : 1;
  if (choice == ToolChoice::kRequired) {
    const auto call = builder.sequence(
        {json.space(), builder.mark(dialect.begin), builder.call(body), json.space()});
    builder.define(root, builder.repeat(call, 1, most));
  } else {
    const auto with_text = builder.sequence({builder.until(dialect.begin), builder.call(body)});
    const auto rest = builder.without(dialect.begin);
    builder.define(root, several ? builder.sequence({builder.repeat(with_text, 0, most), rest})
                                 : builder.choice({with_text, rest}));
  }
  return builder.build(root);
}

}  // namespace freehold::model
