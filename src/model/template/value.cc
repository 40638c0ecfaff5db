#include "model/template/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/text.h"
#include "model/tokenizer/unicode.h"

namespace freehold::model::jinja {
namespace {

uint32_t depth_of(const Value& value) {
  if (value.is_sequence()) return static_cast<const ListObject&>(*value.object).depth;
  if (value.is(Kind::kDict)) return static_cast<const DictObject&>(*value.object).depth;
  return 0;
}

/// Sums that stay at their largest.
uint64_t heavier(uint64_t sum, uint64_t more) {
  constexpr uint64_t kLargest = uint64_t{1} << 60;
  return std::min(kLargest, sum + more + 2);
}

int order(double a, double b) { return a < b ? -1 : a > b ? 1 : 0; }

Result<std::string> json_key(const Value& key) {
  switch (key.kind) {
    case Kind::kString:
      return key.text();
    case Kind::kBool:
      return std::string(key.integer != 0 ? "true" : "false");
    case Kind::kNone:
      return std::string("null");
    case Kind::kInt:
    case Kind::kFloat:
      return to_text(key);
    default:
      return failed(fmt::format("tojson: a key cannot be of type {}", type_name(key)));
  }
}

class JsonText {
 public:
  explicit JsonText(const JsonStyle& style) : style_(style) {}

  Status write(const Value& value, size_t level) {
    switch (value.kind) {
      case Kind::kNone:
        out += "null";
        return {};
      case Kind::kBool:
        out += value.integer != 0 ? "true" : "false";
        return {};
      case Kind::kInt:
      case Kind::kFloat:
        write_number(value);
        return {};
      case Kind::kString:
        write_string(value.text());
        return {};
      case Kind::kList:
      case Kind::kTuple:
        return write_list(value.items(), level);
      case Kind::kDict:
        return write_dict(value.entries(), level);
      default:
        return failed(
            fmt::format("tojson: Object of type {} is not JSON serializable", type_name(value)));
    }
  }

  std::string out;

 private:
  void write_number(const Value& value) {
    if (value.is(Kind::kFloat) && !std::isfinite(value.real)) {
      out += std::isnan(value.real) ? "NaN" : value.real > 0 ? "Infinity" : "-Infinity";
    } else {
      out += to_text(value);
    }
  }
  void write_escape(char32_t unit) { out += fmt::format("\\u{:04x}", static_cast<uint32_t>(unit)); }
  void write_string(std::string_view text) {
    out.push_back('"');
    for (size_t at = 0; at < text.size();) {
      const base::DecodedRune rune = base::decode_utf8(text.substr(at, 4));
      const char32_t code = rune.value;
      if (code == '"' || code == '\\') {
        out.push_back('\\');
        out.push_back(static_cast<char>(code));
      } else if (code < 0x20) {
        constexpr std::string_view kFrom = "\n\r\t\b\f", kTo = "nrtbf";
        const size_t short_form = kFrom.find(static_cast<char>(code));
        if (short_form != std::string_view::npos) {
          out.push_back('\\');
          out.push_back(kTo[short_form]);
        } else {
          write_escape(code);
        }
      } else if (style_.ensure_ascii && code > 0x7E && rune.valid && code != 0x7F) {
        if (code >= 0x10000) write_escape(0xD800 + ((code - 0x10000) >> 10));
        write_escape(code >= 0x10000 ? 0xDC00 + ((code - 0x10000) & 0x3FF) : code);
      } else {
        out.append(text.substr(at, rune.length));
      }
      at += rune.length;
    }
    out.push_back('"');
  }
  void new_line(size_t level) {
    if (!style_.indent.has_value()) return;
    out.push_back('\n');
    out.append(level * static_cast<size_t>(std::max<int64_t>(*style_.indent, 0)), ' ');
  }
  Status write_list(const Values& items, size_t level) {
    out.push_back('[');
    for (size_t i = 0; i < items.size(); ++i) {
      if (i > 0) out += style_.item_separator;
      new_line(level + 1);
      TRY(write(items[i], level + 1));
    }
    if (!items.empty()) new_line(level);
    out.push_back(']');
    return {};
  }
  Status write_dict(const Entries& entries, size_t level) {
    std::vector<std::pair<std::string, const Value*>> rows;
    for (const auto& [key, value] : entries) rows.emplace_back(TRY(json_key(key)), &value);
    if (style_.sort_keys) {
      std::stable_sort(rows.begin(), rows.end(),
                       [](const auto& a, const auto& b) { return a.first < b.first; });
    }
    out.push_back('{');
    for (size_t i = 0; i < rows.size(); ++i) {
      if (i > 0) out += style_.item_separator;
      new_line(level + 1);
      write_string(rows[i].first);
      out += style_.key_separator;
      TRY(write(*rows[i].second, level + 1));
    }
    if (!rows.empty()) new_line(level);
    out.push_back('}');
    return {};
  }

  const JsonStyle& style_;
};

bool is_printable(char32_t code) {
  using namespace unicode;
  return code == ' ' ||
         (class_of(code) & (kLetter | kMark | kNumber | kPunctuation | kSymbol)) != 0;
}

std::string repr_of_string(std::string_view text) {
  const bool doubled =
      text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char quote = doubled ? '"' : '\'';
  std::string out(1, quote);
  for (size_t at = 0; at < text.size();) {
    const base::DecodedRune rune = base::decode_utf8(text.substr(at, 4));
    const char32_t code = rune.value;
    if (code == static_cast<char32_t>(quote) || code == '\\') {
      out.push_back('\\');
      out.push_back(static_cast<char>(code));
    } else if (code == '\n' || code == '\r' || code == '\t') {
      out += code == '\n' ? "\\n" : code == '\r' ? "\\r" : "\\t";
    } else if (rune.valid && is_printable(code)) {
      out.append(text.substr(at, rune.length));
    } else {
      const auto number = static_cast<uint32_t>(code);
      out += code < 0x100     ? fmt::format("\\x{:02x}", number)
             : code < 0x10000 ? fmt::format("\\u{:04x}", number)
                              : fmt::format("\\U{:08x}", number);
    }
    at += rune.length;
  }
  out.push_back(quote);
  return out;
}

std::string joined_reprs(const Values& items) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ", ";
    out += to_repr(items[i]);
  }
  return out;
}

}  // namespace

Error failed(const std::string& message) {
  return Error{ErrorCode::kFailed, fmt::format("chat template: {}", message), {}};
}

Error refused(const std::string& message) {
  return Error{ErrorCode::kRefused, fmt::format("chat template: {}", message),
               "Templates run under limits, because they come with the model."};
}

Value Value::undefined(std::string name) {
  Value value;
  auto text = std::make_shared<TextObject>();
  text->text = std::move(name);
  value.object = std::move(text);
  return value;
}

Value Value::string(std::string text) {
  Value value = of(Kind::kString);
  auto object = std::make_shared<TextObject>();
  object->text = std::move(text);
  value.object = std::move(object);
  return value;
}

Value Value::markup(std::string text) {
  Value value = of(Kind::kString);
  auto object = std::make_shared<TextObject>();
  object->text = std::move(text);
  object->markup = true;
  value.object = std::move(object);
  return value;
}

bool Value::is_markup() const {
  return is(Kind::kString) && static_cast<const TextObject&>(*object).markup;
}

const std::string& Value::text() const {
  static const std::string empty;
  if (object == nullptr) return empty;
  return static_cast<const TextObject&>(*object).text;
}

const Values& Value::items() const {
  DCHECK(is_sequence());
  return static_cast<const ListObject&>(*object).items;
}

const Entries& Value::entries() const {
  DCHECK(is(Kind::kDict));
  return static_cast<const DictObject&>(*object).entries;
}

Result<Value> make_list(Values items, Kind kind) {
  auto list = std::make_shared<ListObject>();
  for (const Value& item : items) {
    list->depth = std::max(list->depth, depth_of(item) + 1);
    list->weight = heavier(list->weight, weight(item));
  }
  if (list->depth > kNestingMax) return refused("lists nest deeper than 64 levels");
  list->items = std::move(items);
  Value value;
  value.kind = kind;
  value.object = std::move(list);
  return value;
}

Result<Value> make_dict(Entries entries) {
  auto dict = std::make_shared<DictObject>();
  for (const auto& [key, value] : entries) {
    dict->depth = std::max(dict->depth, depth_of(value) + 1);
    dict->weight = heavier(heavier(dict->weight, weight(key)), weight(value));
  }
  if (dict->depth > kNestingMax) return refused("dicts nest deeper than 64 levels");
  dict->entries = std::move(entries);
  Value value;
  value.kind = Kind::kDict;
  value.object = std::move(dict);
  return value;
}

Value make_function(std::string name) {
  Value value = Value::string(std::move(name));
  value.kind = Kind::kFunction;
  return value;
}

Value make_method(Value receiver, std::string name) {
  auto method = std::make_shared<MethodObject>();
  method->text = std::move(name);
  method->receiver = std::move(receiver);
  Value value;
  value.kind = Kind::kMethod;
  value.object = std::move(method);
  return value;
}

const Value* find_entry(const Value& dict, std::string_view key) {
  for (const auto& [name, value] : dict.entries()) {
    if (name.is(Kind::kString) && name.text() == key) return &value;
  }
  return nullptr;
}

const Value* find_entry(const Value& dict, const Value& key) {
  for (const auto& [name, value] : dict.entries()) {
    if (equal(name, key)) return &value;
  }
  return nullptr;
}

uint64_t weight(const Value& value) {
  if (value.is(Kind::kString)) return value.text().size() + 2;
  if (value.is_sequence()) return static_cast<const ListObject&>(*value.object).weight;
  if (value.is(Kind::kDict)) return static_cast<const DictObject&>(*value.object).weight;
  return 8;
}

bool truth(const Value& value) {
  switch (value.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInt:
      return value.integer != 0;
    case Kind::kFloat:
      return value.real != 0;
    case Kind::kString:
      return !value.text().empty();
    case Kind::kList:
    case Kind::kTuple:
      return !value.items().empty();
    case Kind::kDict:
      return !value.entries().empty();
    default:
      return true;
  }
}

bool equal(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return a.integer == b.integer;
    return a.as_double() == b.as_double();
  }
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case Kind::kUndefined:
    case Kind::kNone:
      return true;
    case Kind::kString:
      return a.text() == b.text();
    case Kind::kList:
    case Kind::kTuple:
      return std::equal(a.items().begin(), a.items().end(), b.items().begin(), b.items().end(),
                        equal);
    case Kind::kDict: {
      if (a.entries().size() != b.entries().size()) return false;
      return std::all_of(a.entries().begin(), a.entries().end(), [&](const auto& entry) {
        const Value* other = find_entry(b, entry.first);
        return other != nullptr && equal(entry.second, *other);
      });
    }
    default:
      return a.object == b.object;
  }
}

Result<int> compare(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) {
      return a.integer < b.integer ? -1 : a.integer > b.integer ? 1 : 0;
    }
    return order(a.as_double(), b.as_double());
  }
  if (a.is(Kind::kString) && b.is(Kind::kString)) {
    const int sign = a.text().compare(b.text());  // UTF-8 sorts as code points do
    return sign < 0 ? -1 : sign > 0 ? 1 : 0;
  }
  if (a.is_sequence() && a.kind == b.kind) {
    const Values &left = a.items(), &right = b.items();
    for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
      if (!equal(left[i], right[i])) return compare(left[i], right[i]);
    }
    return left.size() < right.size() ? -1 : left.size() > right.size() ? 1 : 0;
  }
  if (a.is(Kind::kUndefined) || b.is(Kind::kUndefined)) {
    return failed(fmt::format("'{}' is undefined", (a.is(Kind::kUndefined) ? a : b).text()));
  }
  return failed(fmt::format("'<' not supported between '{}' and '{}'", type_name(a), type_name(b)));
}

const char* type_name(const Value& value) {
  switch (value.kind) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInt:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kString:
      return "str";
    case Kind::kList:
      return "list";
    case Kind::kTuple:
      return "tuple";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kMacro:
      return "Macro";
    case Kind::kLoop:
      return "LoopContext";
    default:
      return "function";
  }
}

std::string float_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[64];
  const auto result =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  const std::string_view shortest(buffer, static_cast<size_t>(result.ptr - buffer));
  const size_t e = shortest.find('e');
  // to_chars writes "e+16", which parse_integer does not read.
  const size_t digits = e + (shortest[e + 1] == '+' ? 2 : 1);
  const int64_t exponent = base::parse_integer(shortest.substr(digits)).value();
  if (exponent < -4 || exponent >= 16) {
    // Python writes at least two digits of exponent, as to_chars does.
    return std::string(shortest);
  }
  const auto fixed =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed);
  std::string text(buffer, fixed.ptr);
  if (text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string to_repr(const Value& value) {
  switch (value.kind) {
    case Kind::kString:
      return repr_of_string(value.text());
    case Kind::kUndefined:
      return "Undefined";
    default:
      return to_text(value);
  }
}

std::string to_text(const Value& value) {
  switch (value.kind) {
    case Kind::kUndefined:
      return {};
    case Kind::kNone:
      return "None";
    case Kind::kBool:
      return value.integer != 0 ? "True" : "False";
    case Kind::kInt:
      return std::to_string(value.integer);
    case Kind::kFloat:
      return float_text(value.real);
    case Kind::kString:
      return value.text();
    case Kind::kList:
      return fmt::format("[{}]", joined_reprs(value.items()));
    case Kind::kTuple:
      return fmt::format("({}{})", joined_reprs(value.items()),
                         value.items().size() == 1 ? "," : "");
    case Kind::kDict: {
      std::string out = "{";
      for (const auto& [key, entry] : value.entries()) {
        if (out.size() > 1) out += ", ";
        out += fmt::format("{}: {}", to_repr(key), to_repr(entry));
      }
      out.push_back('}');
      return out;
    }
    default:
      return fmt::format("<{}>", type_name(value));
  }
}

Result<std::string> to_json(const Value& value, const JsonStyle& style) {
  JsonText text(style);
  TRY(text.write(value, 0));
  return std::move(text.out);
}

size_t rune_count(std::string_view text) {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); ++count) at += base::decode_utf8(text.substr(at, 4)).length;
  return count;
}

size_t rune_offset(std::string_view text, size_t index) {
  size_t at = 0;
  for (; index > 0 && at < text.size(); --index) {
    at += base::decode_utf8(text.substr(at, 4)).length;
  }
  return at;
}

bool is_python_space(char32_t rune) {
  return (unicode::class_of(rune) & unicode::kSpace) != 0 || (rune >= 0x1C && rune <= 0x1F);
}

std::string_view strip(std::string_view text, std::string_view chars, bool left, bool right) {
  const auto goes = [&](std::string_view rune) {
    if (!chars.empty()) return chars.find(rune) != std::string_view::npos;
    return is_python_space(base::decode_utf8(rune).value);
  };
  while (left && !text.empty()) {
    const size_t length = base::decode_utf8(text.substr(0, 4)).length;
    if (!goes(text.substr(0, length))) break;
    text.remove_prefix(length);
  }
  while (right && !text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 4 && (text[start] & 0xC0) == 0x80) --start;
    if (base::decode_utf8(text.substr(start)).length != text.size() - start) {
      start = text.size() - 1;
    }
    if (!goes(text.substr(start))) break;
    text.remove_suffix(text.size() - start);
  }
  return text;
}

}  // namespace freehold::model::jinja
