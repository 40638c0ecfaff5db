#include "server/api/parameters.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace freehold::server {

namespace {

constexpr base::JsonLimits kBodyLimits{.bytes_max = size_t{32} << 20, .depth_max = 64};

ApiError bad(std::string_view name, std::string message) {
  return {.message = std::move(message), .param = std::string(name), .code = "invalid_value"};
}

/// Whether a parameter that is not there yet is set to what it would be anyway.
bool asks_for_nothing(const base::JsonValue& value) {
  if (value.is_null() || value.as_bool() == false) return true;
  return (value.is_array() && value.elements().empty()) ||
         (value.is_object() && value.members().empty());
}

ApiStatus check_number(const base::JsonValue& value, const Parameter& parameter) {
  const bool whole = parameter.kind == Kind::kInteger;
  const auto number = value.as_number();
  if (!number || (whole && !value.as_integer() && !value.as_unsigned())) {
    return bad(parameter.name, fmt::format("'{}' is {}, not {}", parameter.name, value.kind_name(),
                                           whole ? "a whole number" : "a number"));
  }
  if (parameter.low < parameter.high && !(*number >= parameter.low && *number <= parameter.high)) {
    return bad(parameter.name, fmt::format("'{}' is {}; it goes from {} to {}", parameter.name,
                                           base::shortest(*number), base::shortest(parameter.low),
                                           base::shortest(parameter.high)));
  }
  return Nothing{};
}

bool is_kind(const base::JsonValue& value, Kind kind) {
  switch (kind) {
    case Kind::kString:
      return value.is_string();
    case Kind::kBool:
      return value.as_bool().has_value();
    case Kind::kArray:
      return value.is_array();
    case Kind::kObject:
      return value.is_object();
    case Kind::kStrings:
      return value.is_string() ||
             (value.is_array() &&
              std::all_of(value.elements().begin(), value.elements().end(),
                          [](const base::JsonValue& one) { return one.is_string(); }));
    default:
      return true;
  }
}

std::string_view kind_text(Kind kind) {
  switch (kind) {
    case Kind::kString:
      return "a text";
    case Kind::kBool:
      return "true or false";
    case Kind::kArray:
      return "an array";
    case Kind::kObject:
      return "an object";
    case Kind::kStrings:
      return "a text or an array of texts";
    default:
      return "a value";
  }
}

ApiStatus check_value(const base::JsonValue& value, const Parameter& parameter) {
  if (parameter.use == Use::kRefused) {
    if (asks_for_nothing(value)) return Nothing{};
    return ApiError{.message = fmt::format("'{}' is not there yet: leave it out", parameter.name),
                    .param = std::string(parameter.name),
                    .code = "unsupported_parameter"};
  }
  if (parameter.kind == Kind::kInteger || parameter.kind == Kind::kNumber) {
    return check_number(value, parameter);
  }
  if (is_kind(value, parameter.kind)) return Nothing{};
  return bad(parameter.name, fmt::format("'{}' is {}, not {}", parameter.name, value.kind_name(),
                                         kind_text(parameter.kind)));
}

void write_kind(base::JsonWriter& json, const Parameter& parameter) {
  const auto type = [&](std::string_view name) { json.field("type", name); };
  switch (parameter.kind) {
    case Kind::kString:
      return type("string");
    case Kind::kInteger:
    case Kind::kNumber:
      type(parameter.kind == Kind::kInteger ? "integer" : "number");
      if (parameter.low < parameter.high) {
        json.field("minimum", parameter.low).field("maximum", parameter.high);
      }
      return;
    case Kind::kBool:
      return type("boolean");
    case Kind::kArray:
      return type("array");
    case Kind::kObject:
      return type("object");
    case Kind::kStrings:
      json.key("anyOf").begin_array();
      json.begin_object().field("type", "string").end_object();
      json.begin_object().field("type", "array").key("items").begin_object();
      json.field("type", "string").end_object().end_object();
      json.end_array();
      return;
    case Kind::kAny:
      return;
  }
}

}  // namespace

const base::JsonValue* find_given(const base::JsonValue& body, std::string_view name) {
  const base::JsonValue* value = body.find(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::vector<std::string> read_strings(const base::JsonValue& value) {
  if (const auto text = value.as_string()) return {std::string(*text)};
  std::vector<std::string> texts;
  for (const base::JsonValue& one : value.elements()) texts.emplace_back(*one.as_string());
  return texts;
}

ApiResult<base::JsonValue> parse_body(std::string_view text) {
  auto parsed = base::JsonValue::parse(text, kBodyLimits);
  if (!parsed.ok()) {
    return ApiError{.message = "the body is no JSON: " + parsed.error().message,
                    .code = "invalid_json"};
  }
  if (!parsed->is_object()) {
    return ApiError{.message = fmt::format("the body is {}, not an object", parsed->kind_name()),
                    .code = "invalid_json"};
  }
  return std::move(parsed).value();
}

ApiStatus check_parameters(const base::JsonValue& body, std::span<const Parameter> table) {
  for (const base::JsonMember& member : body.members()) {
    const auto row = std::find_if(table.begin(), table.end(), [&](const Parameter& parameter) {
      return parameter.name == member.key;
    });
    if (row == table.end()) {
      return ApiError{
          .message = fmt::format("there is no parameter {}", base::printable(member.key)),
          .param = member.key,
          .code = "unknown_parameter"};
    }
    if (!member.value.is_null()) TRY(check_value(member.value, *row));
  }
  for (const Parameter& parameter : table) {
    if (!parameter.required || find_given(body, parameter.name) != nullptr) continue;
    return ApiError{.message = fmt::format("'{}' is missing", parameter.name),
                    .param = std::string(parameter.name),
                    .code = "missing_required_parameter"};
  }
  return Nothing{};
}

void write_schema(base::JsonWriter& json, std::span<const Parameter> table) {
  json.begin_object().field("type", "object").field("additionalProperties", false);
  json.key("properties").begin_object();
  for (const Parameter& parameter : table) {
    if (parameter.use == Use::kRefused) continue;
    json.key(parameter.name).begin_object();
    write_kind(json, parameter);
    if (!parameter.help.empty()) json.field("description", parameter.help);
    json.end_object();
  }
  json.end_object();
  json.key("required").begin_array();
  for (const Parameter& parameter : table) {
    if (parameter.required) json.value(parameter.name);
  }
  json.end_array().end_object();
}

}  // namespace freehold::server
