#pragma once
// Values while a template runs: Python's, as far as templates can tell. Immutable and shared, apart
// from namespaces; containers know how deep they nest, so that nothing recursive runs away.
// One thread a run.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace freehold::model::jinja {

enum class Kind : uint8_t {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kList,
  kTuple,
  kDict,
  kNamespace,
  kMacro,
  kFunction,  ///< a global function, by name
  kMethod,    ///< a receiver and the name of its method
  kLoop
};

constexpr uint32_t kNestingMax = 64;  // containers in containers, blocks in blocks, calls in calls

/// What lives on the heap.
struct Object {
  virtual ~Object() = default;
};

struct Value {
  Kind kind = Kind::kUndefined;
  union {
    int64_t integer = 0;  // kInt, kBool
    double real;          // kFloat
  };
  std::shared_ptr<const Object> object;

  static Value undefined(std::string name);
  static Value none() { return of(Kind::kNone); }
  static Value boolean(bool value) { return of(Kind::kBool, value ? 1 : 0); }
  static Value number(int64_t value) { return of(Kind::kInt, value); }
  static Value number_of(double value) {
    Value result = of(Kind::kFloat);
    result.real = value;
    return result;
  }
  static Value string(std::string text);

  /// A string that counts as markup.
  static Value markup(std::string text);

  bool is_markup() const;
  bool is(Kind wanted) const { return kind == wanted; }
  bool is_sequence() const { return kind == Kind::kList || kind == Kind::kTuple; }
  bool is_number() const {
    return kind == Kind::kInt || kind == Kind::kFloat || kind == Kind::kBool;
  }
  bool is_integer() const { return kind == Kind::kInt || kind == Kind::kBool; }
  double as_double() const { return kind == Kind::kFloat ? real : static_cast<double>(integer); }
  /// The text of a string, the name of an undefined, function or method.
  const std::string& text() const;
  /// The items of a list or tuple.
  const std::vector<Value>& items() const;
  /// The entries of a dict, in order.
  const std::vector<std::pair<Value, Value>>& entries() const;

 private:
  static Value of(Kind kind, int64_t integer = 0) {
    Value value;
    value.kind = kind;
    value.integer = integer;
    return value;
  }
};

using Values = std::vector<Value>;
using Entries = std::vector<std::pair<Value, Value>>;

struct TextObject : Object {
  std::string text;
  bool markup = false;  // from |safe or |escape: what is added to it gets escaped
};
struct ListObject : Object {
  Values items;
  uint32_t depth = 1;
  uint64_t weight = 2;
};
struct DictObject : Object {
  Entries entries;
  uint32_t depth = 1;
  uint64_t weight = 2;
};
struct MethodObject : TextObject {
  Value receiver;
};

/// Errors of a run, by their code.
Error failed(const std::string& message);
Error refused(const std::string& message);

/// kRefused where the parts already nest too deep.
Result<Value> make_list(Values items, Kind kind = Kind::kList);
Result<Value> make_dict(Entries entries);
Value make_function(std::string name);
Value make_method(Value receiver, std::string name);

/// The entry of a string key, or nullptr.
const Value* find_entry(const Value& dict, std::string_view key);
const Value* find_entry(const Value& dict, const Value& key);

/// About as many as the bytes of a value's text and the nodes of its tree, with shared parts
/// counted every time: whoever walks or writes a value charges for this first.
uint64_t weight(const Value& value);

bool truth(const Value& value);
/// ==, deep.
bool equal(const Value& a, const Value& b);
/// -1, 0, 1; kFailed for what Python does not order.
Result<int> compare(const Value& a, const Value& b);
/// What kind of thing, in Python's words: "str", "list".
const char* type_name(const Value& value);

/// str() and repr(). Callers bound the size of what they keep; the text of a value is at most a
/// small multiple of it.
std::string to_text(const Value& value);
std::string to_repr(const Value& value);
std::string float_text(double value);

struct JsonStyle {
  std::optional<int64_t> indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool ensure_ascii = false;
  bool sort_keys = false;
};
/// json.dumps(); kFailed for what JSON cannot say.
Result<std::string> to_json(const Value& value, const JsonStyle& style);

/// Strings by code points, as Python counts. Bytes that are not UTF-8 count as one each.
size_t rune_count(std::string_view text);
/// Byte position of the code point number `index` (at most the size).
size_t rune_offset(std::string_view text, size_t index);
bool is_python_space(char32_t rune);
/// str.strip() on one or both ends; `chars` empty means white space.
std::string_view strip(std::string_view text, std::string_view chars, bool left, bool right);

}  // namespace freehold::model::jinja
