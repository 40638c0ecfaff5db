#include "base/json.h"

#include <cmath>

#include "base/text.h"

namespace freehold::base {

namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr char kHex[] = "0123456789abcdef";

void append_escaped(std::string& out, char byte) {
  switch (byte) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    default:
      break;
  }
  const auto code = static_cast<uint8_t>(byte);
  if (code >= 0x20) {
    out += byte;
    return;
  }
  out += "\\u00";
  out += kHex[code >> 4];
  out += kHex[code & 15];
}

// Two texts that shortest() may give would read back as something else where readers tell integers
// from other numbers: "-0" (the sign is lost) and digits beyond 64 bits (refused).
template <class Number>
std::string number_text(Number number) {
  if (!std::isfinite(number)) return "null";
  if (number == 0 && std::signbit(number)) return "-0.0";
  std::string text = shortest(number);
  if (std::abs(number) >= Number{0x1p63} && text.find_first_of(".e") == std::string::npos) {
    text += ".0";
  }
  return text;
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const DecodedRune rune = decode_utf8(text);
    if (!rune.valid) {
      out += kReplacement;
    } else if (rune.length == 1) {
      append_escaped(out, text[0]);
    } else {
      out += text.substr(0, rune.length);
    }
    text.remove_prefix(rune.length);
  }
  out += '"';
}

void JsonWriter::new_line() {
  if (layout_ == Layout::kCompact) return;
  out_ += '\n';
  out_.append(2 * levels_.size(), ' ');
}

void JsonWriter::before_value() {
  if (levels_.empty()) {
    CHECK(!started_);  // one value a writer
    started_ = true;
    return;
  }
  Level& level = levels_.back();
  if (level.object) {
    CHECK(level.key_waiting);
    level.key_waiting = false;
    return;
  }
  if (!level.empty) out_ += ',';
  level.empty = false;
  new_line();
}

JsonWriter& JsonWriter::literal(std::string_view text) {
  before_value();
  out_ += text;
  return *this;
}

JsonWriter& JsonWriter::begin(bool object) {
  before_value();
  out_ += object ? '{' : '[';
  levels_.push_back({object, true, false});
  return *this;
}

JsonWriter& JsonWriter::end(bool object) {
  CHECK(!levels_.empty());
  const Level level = levels_.back();
  CHECK(level.object == object && !level.key_waiting);
  levels_.pop_back();
  if (!level.empty) new_line();
  out_ += object ? '}' : ']';
  return *this;
}

JsonWriter& JsonWriter::begin_object() { return begin(true); }
JsonWriter& JsonWriter::end_object() { return end(true); }
JsonWriter& JsonWriter::begin_array() { return begin(false); }
JsonWriter& JsonWriter::end_array() { return end(false); }

JsonWriter& JsonWriter::key(std::string_view name) {
  CHECK(!levels_.empty());
  Level& level = levels_.back();
  CHECK(level.object && !level.key_waiting);
  if (!level.empty) out_ += ',';
  level.empty = false;
  level.key_waiting = true;
  new_line();
  append_json_string(out_, name);
  out_ += layout_ == Layout::kCompact ? ":" : ": ";
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  before_value();
  append_json_string(out_, text);
  return *this;
}

JsonWriter& JsonWriter::value(float number) { return literal(number_text(number)); }
JsonWriter& JsonWriter::value(double number) { return literal(number_text(number)); }

JsonValue::JsonValue() = default;
JsonValue::JsonValue(JsonValue&& other) noexcept = default;
JsonValue& JsonValue::operator=(JsonValue&& other) noexcept = default;
JsonValue::~JsonValue() = default;

bool JsonValue::is_number() const { return as_number().has_value(); }

std::optional<bool> JsonValue::as_bool() const {
  if (const bool* flag = std::get_if<bool>(&content_)) return *flag;
  return std::nullopt;
}

std::optional<std::string_view> JsonValue::as_string() const {
  if (const std::string* text = std::get_if<std::string>(&content_)) return *text;
  return std::nullopt;
}

std::optional<int64_t> JsonValue::as_integer() const {
  // The reader keeps unsigned only what int64 cannot hold.
  if (const int64_t* number = std::get_if<int64_t>(&content_)) return *number;
  return std::nullopt;
}

std::optional<uint64_t> JsonValue::as_unsigned() const {
  if (const uint64_t* number = std::get_if<uint64_t>(&content_)) return *number;
  const std::optional<int64_t> number = as_integer();
  if (number && *number >= 0) return static_cast<uint64_t>(*number);
  return std::nullopt;
}

std::optional<double> JsonValue::as_number() const {
  if (const double* number = std::get_if<double>(&content_)) return *number;
  if (const int64_t* number = std::get_if<int64_t>(&content_)) return static_cast<double>(*number);
  if (const uint64_t* number = std::get_if<uint64_t>(&content_)) {
    return static_cast<double>(*number);
  }
  return std::nullopt;
}

std::span<const JsonValue> JsonValue::elements() const {
  if (const Array* array = std::get_if<Array>(&content_)) return *array;
  return {};
}

std::span<const JsonMember> JsonValue::members() const {
  if (const Object* object = std::get_if<Object>(&content_)) return *object;
  return {};
}

const JsonValue* JsonValue::find(std::string_view key) const {
  for (const JsonMember& member : members()) {
    if (member.key == key) return &member.value;
  }
  return nullptr;
}

std::string_view JsonValue::kind_name() const {
  if (is_null()) return "null";
  if (is_object()) return "an object";
  if (is_array()) return "an array";
  if (is_string()) return "a string";
  return is_number() ? "a number" : "a boolean";
}

std::optional<std::string_view> JsonValue::find_string(std::string_view key) const {
  const JsonValue* found = find(key);
  return found == nullptr ? std::nullopt : found->as_string();
}

std::optional<uint64_t> JsonValue::find_unsigned(std::string_view key) const {
  const JsonValue* found = find(key);
  return found == nullptr ? std::nullopt : found->as_unsigned();
}

std::optional<int64_t> JsonValue::find_integer(std::string_view key) const {
  const JsonValue* found = find(key);
  return found == nullptr ? std::nullopt : found->as_integer();
}

std::optional<double> JsonValue::find_number(std::string_view key) const {
  const JsonValue* found = find(key);
  return found == nullptr ? std::nullopt : found->as_number();
}

std::optional<bool> JsonValue::find_bool(std::string_view key) const {
  const JsonValue* found = find(key);
  return found == nullptr ? std::nullopt : found->as_bool();
}

std::span<const JsonValue> JsonValue::find_elements(std::string_view key) const {
  const JsonValue* found = find(key);
  if (found == nullptr) return {};
  return found->elements();
}

}  // namespace freehold::base
