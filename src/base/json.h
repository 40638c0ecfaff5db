#pragma once
// JSON out: a streaming writer into a string that its user may drain at any time. JSON in: a small
// tree that owns its text, read with simdjson under limits, for outside input of any kind.
// Not a document model to edit, and no conversion by reflection. Values may be read by any thread;
// a writer belongs to one.

#include <concepts>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace freehold::base {

/// Appends one JSON value to a string. Wrong use (a value without its key, an end without its
/// begin) is a bug and a CHECK. Text that is not UTF-8 has each bad byte replaced by U+FFFD;
/// numbers are the shortest text that reads back the same; NaN and infinities become null.
class JsonWriter {
 public:
  enum class Layout { kCompact, kIndented };

  /// `out` outlives the writer.
  explicit JsonWriter(std::string& out, Layout layout = Layout::kCompact)
      : out_(out), layout_(layout) {}

  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);

  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(const std::string& text) { return value(std::string_view(text)); }
  JsonWriter& value(std::same_as<bool> auto flag) { return literal(flag ? "true" : "false"); }
  JsonWriter& value(float number);
  JsonWriter& value(double number);
  template <std::integral Number>
  requires(!std::same_as<Number, bool>) JsonWriter& value(Number number) {
    return literal(std::to_string(number));
  }
  JsonWriter& null() { return literal("null"); }
  /// `json` as it is: one whole JSON value that the caller vouches for.
  JsonWriter& raw(std::string_view json) { return literal(json); }

  /// key() and value() in one.
  template <class Value>
  JsonWriter& field(std::string_view name, const Value& content) {
    return key(name).value(content);
  }

  /// Whether one whole value has been written.
  bool complete() const { return levels_.empty() && started_; }

 private:
  struct Level {
    bool object = false;
    bool empty = true;
    bool key_waiting = false;
  };
  void before_value();
  void new_line();
  JsonWriter& literal(std::string_view text);
  JsonWriter& begin(bool object);
  JsonWriter& end(bool object);

  std::string& out_;
  Layout layout_;
  std::vector<Level> levels_;
  bool started_ = false;
};

/// Appends `text` as a JSON string, quotes included.
void append_json_string(std::string& out, std::string_view text);

struct JsonLimits {
  size_t bytes_max = 64u << 20;
  size_t depth_max = 64;  ///< of arrays and objects in each other
};

struct JsonMember;

/// A JSON value that was read. Look-ups of another kind or a missing key answer "nothing", so a
/// reader asks for what it wants and reports what it did not get.
class JsonValue {
 public:
  using Array = std::vector<JsonValue>;
  using Object = std::vector<JsonMember>;

  /// Reads exactly one value. Refused as kDamaged: text that is not JSON (RFC 8259) or not UTF-8,
  /// anything behind the value, a key twice in one object, integers beyond 64 bits, numbers beyond
  /// double; as kRefused: text over the limits. Lone surrogate escapes are damaged text.
  static Result<JsonValue> parse(std::string_view text, const JsonLimits& limits = {});

  JsonValue();
  JsonValue(JsonValue&& other) noexcept;
  JsonValue& operator=(JsonValue&& other) noexcept;
  ~JsonValue();

  bool is_null() const { return std::holds_alternative<std::monostate>(content_); }
  bool is_object() const { return std::holds_alternative<Object>(content_); }
  bool is_array() const { return std::holds_alternative<Array>(content_); }
  bool is_string() const { return std::holds_alternative<std::string>(content_); }
  bool is_number() const;

  std::optional<bool> as_bool() const;
  std::optional<std::string_view> as_string() const;
  /// Integers as written (1, not 1.0), where they fit.
  std::optional<int64_t> as_integer() const;
  std::optional<uint64_t> as_unsigned() const;
  /// Any number; integers beyond 2^53 are rounded.
  std::optional<double> as_number() const;
  /// Elements in order; empty where this is no array.
  std::span<const JsonValue> elements() const;
  /// Members in the text's order; empty where this is no object.
  std::span<const JsonMember> members() const;
  /// The member's value, nullptr where there is none or this is no object.
  const JsonValue* find(std::string_view key) const;
  /// "a number", "an object"…, for messages.
  std::string_view kind_name() const;

  // find() and as_…() in one.
  std::optional<std::string_view> find_string(std::string_view key) const;
  std::optional<uint64_t> find_unsigned(std::string_view key) const;
  std::optional<int64_t> find_integer(std::string_view key) const;
  std::optional<double> find_number(std::string_view key) const;
  std::optional<bool> find_bool(std::string_view key) const;
  std::span<const JsonValue> find_elements(std::string_view key) const;

 private:
  friend class JsonTreeBuilder;
  using Content =
      std::variant<std::monostate, bool, int64_t, uint64_t, double, std::string, Array, Object>;
  Content content_;
};

struct JsonMember {
  std::string key;
  JsonValue value;
};

}  // namespace freehold::base
