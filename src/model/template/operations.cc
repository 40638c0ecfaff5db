// Operators and access: what +, in, a.b and a[b] mean for each kind of value.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/template/runtime.h"

namespace freehold::model::jinja {
namespace {

Error undefined_error(const Value& value) {
  return failed(fmt::format("'{}' is undefined", value.text()));
}

Error type_error(const std::string& op, const Value& a, const Value& b) {
  if (a.is(Kind::kUndefined)) return undefined_error(a);
  if (b.is(Kind::kUndefined)) return undefined_error(b);
  return failed(fmt::format("unsupported operand type(s) for {}: '{}' and '{}'", op, type_name(a),
                            type_name(b)));
}

Error overflow() { return failed("a number out of range"); }

Result<Value> divide(const std::string& op, const Value& a, const Value& b) {
  if (b.as_double() == 0) return failed("division by zero");
  if (op == "/") return Value::number_of(a.as_double() / b.as_double());
  if (!a.is_integer() || !b.is_integer()) {
    const double quotient = std::floor(a.as_double() / b.as_double());
    if (op == "//") return Value::number_of(quotient);
    const double remainder = std::fmod(a.as_double(), b.as_double());
    const bool adjust = remainder != 0 && (remainder < 0) != (b.as_double() < 0);
    return Value::number_of(adjust ? remainder + b.as_double() : remainder);
  }
  if (b.integer == -1) {
    int64_t negated = 0;
    if (op == "%") return Value::number(0);
    if (__builtin_sub_overflow(int64_t{0}, a.integer, &negated)) return overflow();
    return Value::number(negated);
  }
  int64_t quotient = a.integer / b.integer, remainder = a.integer % b.integer;
  if (remainder != 0 && (remainder < 0) != (b.integer < 0)) {
    --quotient;
    remainder += b.integer;
  }
  return Value::number(op == "//" ? quotient : remainder);
}

Result<Value> power(const Value& a, const Value& b) {
  if (!a.is_integer() || !b.is_integer() || b.integer < 0) {
    return Value::number_of(std::pow(a.as_double(), b.as_double()));
  }
  int64_t result = 1;
  for (int64_t i = 0; i < b.integer; ++i) {
    if (__builtin_mul_overflow(result, a.integer, &result)) return overflow();
    if (a.integer >= -1 && a.integer <= 1 && i > 1) break;
  }
  if (a.integer == -1) return Value::number(b.integer % 2 == 0 ? 1 : -1);
  return Value::number(result);
}

Result<Value> arithmetic(const std::string& op, const Value& a, const Value& b) {
  if (op == "/" || op == "//" || op == "%") return divide(op, a, b);
  if (op == "**") return power(a, b);
  if (!a.is_integer() || !b.is_integer()) {
    const double x = a.as_double(), y = b.as_double();
    return Value::number_of(op == "+" ? x + y : op == "-" ? x - y : x * y);
  }
  int64_t result = 0;
  const bool wrong = op == "+"   ? __builtin_add_overflow(a.integer, b.integer, &result)
                     : op == "-" ? __builtin_sub_overflow(a.integer, b.integer, &result)
                                 : __builtin_mul_overflow(a.integer, b.integer, &result);
  if (wrong) return overflow();
  return Value::number(result);
}

Result<Value> repeat(Budget& budget, const Value& value, int64_t times) {
  const auto count = static_cast<uint64_t>(std::max<int64_t>(times, 0));
  if (value.is(Kind::kString)) {
    const std::string& unit = value.text();
    if (unit.empty() || count == 0) return Value::string({});
    if (count > Budget::kTextMax / unit.size()) return refused("a text of more than 8 MiB");
    TRY(budget.text(unit.size() * count));
    std::string text;
    text.reserve(unit.size() * count);
    for (uint64_t i = 0; i < count; ++i) text += unit;
    return Value::string(std::move(text));
  }
  const Values& unit = value.items();
  if (!unit.empty() && count > Budget::kStepsMax / unit.size()) {
    return refused("a list of more than 1000000 items");
  }
  TRY(budget.values(unit.size() * count));
  Values items;
  for (uint64_t i = 0; i < count && !unit.empty(); ++i) {
    items.insert(items.end(), unit.begin(), unit.end());
  }
  return make_list(std::move(items), value.kind);
}

/// "…%s…" % values, for %s %d %i %r %f %%.
Result<Value> percent_format(Budget& budget, const std::string& format, const Value& value) {
  Values single;
  if (!value.is(Kind::kTuple)) single.push_back(value);
  const Values& values = value.is(Kind::kTuple) ? value.items() : single;
  std::string out;
  size_t next = 0;
  for (size_t at = 0; at < format.size(); ++at) {
    if (format[at] != '%') {
      out.push_back(format[at]);
      continue;
    }
    const char kind = ++at < format.size() ? format[at] : '\0';
    if (kind == '%') {
      out.push_back('%');
      continue;
    }
    if (next >= values.size()) return failed("not enough arguments for format string");
    const Value& argument = values[next++];
    if (kind == 's') {
      out += TRY(text_of(budget, argument));
    } else if (kind == 'r') {
      out += TRY(repr_of(budget, argument));
    } else if ((kind == 'd' || kind == 'i') && argument.is_number()) {
      out += std::to_string(argument.is_integer() ? argument.integer
                                                  : static_cast<int64_t>(argument.as_double()));
    } else if (kind == 'f' && argument.is_number()) {
      out += fmt::format("{:.6f}", argument.as_double());
    } else {
      return failed(fmt::format("unsupported format '%{}'", kind));
    }
    if (out.size() > Budget::kTextMax) return refused("a text of more than 8 MiB");
  }
  if (next < values.size() && value.is(Kind::kTuple)) {
    return failed("not all arguments converted during string formatting");
  }
  return make_text(budget, std::move(out));
}

/// A Python index into `size` places: counted from the end where negative, then bounded.
int64_t bounded(const Value& value, int64_t fallback, int64_t low, int64_t high, int64_t size) {
  if (!value.is_integer()) return fallback;
  int64_t index = value.integer;
  if (index < 0) index = index < -size ? low : index + size;
  return std::clamp(index, low, high);
}

}  // namespace

std::string escaped(const Value& text) {
  if (text.is_markup()) return text.text();
  std::string out;
  for (const char byte : text.text()) {
    switch (byte) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '"':
        out += "&#34;";
        break;
      default:
        out.push_back(byte);
    }
  }
  return out;
}

Result<Value> make_text(Budget& budget, std::string text) {
  TRY(budget.text(text.size()));
  return Value::string(std::move(text));
}

Result<std::string> text_of(Budget& budget, const Value& value) {
  if (!value.is(Kind::kString)) TRY(budget.text(weight(value)));
  return to_text(value);
}

Result<std::string> repr_of(Budget& budget, const Value& value) {
  TRY(budget.text(weight(value)));
  return to_repr(value);
}

Result<bool> is_equal(Budget& budget, const Value& a, const Value& b) {
  TRY(budget.step(std::min(weight(a), weight(b)) / 256));
  return equal(a, b);
}

Result<Values> iterate(Budget& budget, const Value& value) {
  Values items;
  switch (value.kind) {
    case Kind::kUndefined:
      return items;
    case Kind::kList:
    case Kind::kTuple:
      TRY(budget.values(value.items().size()));
      return value.items();
    case Kind::kDict:
      TRY(budget.values(value.entries().size()));
      for (const auto& entry : value.entries()) items.push_back(entry.first);
      return items;
    case Kind::kString: {
      const std::string_view text = value.text();
      TRY(budget.values(4 * text.size()));
      for (size_t at = 0; at < text.size();) {
        const size_t length = base::decode_utf8(text.substr(at, 4)).length;
        items.push_back(Value::string(std::string(text.substr(at, length))));
        at += length;
      }
      return items;
    }
    default:
      return failed(fmt::format("'{}' object is not iterable", type_name(value)));
  }
}

Result<Value> get_attribute(Budget& budget, const Value& value, const std::string& name) {
  if (name.substr(0, 2) == "__")
    return refused(fmt::format("the attribute '{}' is out of bounds", name));
  if (value.is(Kind::kUndefined)) return undefined_error(value);
  if (is_method(value, name)) return make_method(value, name);
  if (!value.is(Kind::kDict)) return Value::undefined(name);
  TRY(budget.step(1 + value.entries().size() / 32));
  const Value* found = find_entry(value, name);
  return found != nullptr ? *found : Value::undefined(name);
}

Result<Value> get_item(Budget& budget, const Value& value, const Value& key) {
  if (value.is(Kind::kUndefined)) return undefined_error(value);
  if (value.is(Kind::kDict)) {
    TRY(budget.step(1 + value.entries().size() / 32));
    if (const Value* found = find_entry(value, key)) return *found;
  } else if (key.is_integer() && value.is_sequence()) {
    const auto size = static_cast<int64_t>(value.items().size());
    const int64_t index = key.integer < 0 ? key.integer + size : key.integer;
    if (index >= 0 && index < size) return value.items()[static_cast<size_t>(index)];
  } else if (key.is_integer() && value.is(Kind::kString)) {
    const std::string_view text = value.text();
    TRY(budget.step(text.size() / 256));
    const auto size = static_cast<int64_t>(rune_count(text));
    const int64_t index = key.integer < 0 ? key.integer + size : key.integer;
    if (index >= 0 && index < size) {
      const size_t at = rune_offset(text, static_cast<size_t>(index));
      const size_t length = base::decode_utf8(text.substr(at, 4)).length;
      return make_text(budget, std::string(text.substr(at, length)));
    }
  }
  if (key.is(Kind::kString)) {
    if (key.text().substr(0, 2) == "__") {
      return refused(fmt::format("the attribute '{}' is out of bounds", key.text()));
    }
    if (is_method(value, key.text())) return make_method(value, key.text());
  }
  return Value::undefined(key.is(Kind::kString) ? key.text() : "item");
}

Result<Value> get_slice(Budget& budget, const Value& value, const Value& start, const Value& stop,
                        const Value& step) {
  if (value.is(Kind::kUndefined)) return undefined_error(value);
  const bool text = value.is(Kind::kString);
  if (!text && !value.is_sequence()) return Value::undefined("slice");
  const int64_t stride = step.is_integer() ? step.integer : 1;
  if (stride == 0) return failed("slice step cannot be zero");
  TRY(budget.step(text ? value.text().size() / 256 : 1));
  const auto size = static_cast<int64_t>(text ? rune_count(value.text()) : value.items().size());
  const int64_t low = stride < 0 ? -1 : 0, high = stride < 0 ? size - 1 : size;
  const int64_t first = bounded(start, stride < 0 ? high : low, low, high, size);
  const int64_t last = bounded(stop, stride < 0 ? low : high, low, high, size);
  if (text && stride == 1) {
    if (last <= first) return Value::string({});
    const size_t begin = rune_offset(value.text(), static_cast<size_t>(first));
    const size_t end = begin + rune_offset(std::string_view(value.text()).substr(begin),
                                           static_cast<size_t>(last - first));
    return make_text(budget, value.text().substr(begin, end - begin));
  }
  const Values all = TRY(iterate(budget, value));
  Values items;
  for (int64_t i = first; stride > 0 ? i < last : i > last;) {
    items.push_back(all[static_cast<size_t>(i)]);
    if (__builtin_add_overflow(i, stride, &i)) break;
  }
  if (!text) return make_list(std::move(items), value.kind);
  std::string joined;
  for (const Value& item : items) joined += item.text();
  return make_text(budget, std::move(joined));
}

Result<Value> binary(Budget& budget, const std::string& op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) return arithmetic(op, a, b);
  if (op == "+" && a.is(Kind::kString) && b.is(Kind::kString)) {
    TRY(budget.text(a.text().size() + b.text().size()));
    if (!a.is_markup() && !b.is_markup()) return Value::string(a.text() + b.text());
    TRY(budget.text(6 * std::min(a.text().size() + b.text().size(), Budget::kTextMax / 6)));
    return Value::markup(escaped(a) + escaped(b));
  }
  if (op == "+" && a.is_sequence() && a.kind == b.kind) {
    TRY(budget.values(a.items().size() + b.items().size()));
    Values items = a.items();
    items.insert(items.end(), b.items().begin(), b.items().end());
    return make_list(std::move(items), a.kind);
  }
  if (op == "*") {
    if ((a.is(Kind::kString) || a.is_sequence()) && b.is_integer()) {
      return repeat(budget, a, b.integer);
    }
    if (a.is_integer() && (b.is(Kind::kString) || b.is_sequence())) {
      return repeat(budget, b, a.integer);
    }
  }
  if (op == "%" && a.is(Kind::kString)) return percent_format(budget, a.text(), b);
  return type_error(op, a, b);
}

Result<bool> contains(Budget& budget, const Value& haystack, const Value& needle) {
  switch (haystack.kind) {
    case Kind::kUndefined:
      return false;
    case Kind::kString:
      if (!needle.is(Kind::kString)) {
        return needle.is(Kind::kUndefined)
                   ? undefined_error(needle)
                   : failed(fmt::format("'in <string>' requires string as left operand, not {}",
                                        type_name(needle)));
      }
      TRY(budget.step(haystack.text().size() / 1024));
      return haystack.text().find(needle.text()) != std::string::npos;
    case Kind::kList:
    case Kind::kTuple:
      TRY(budget.step(std::min(weight(haystack), 4096 * haystack.items().size()) / 64));
      TRY(budget.step(std::min(weight(haystack), weight(needle)) / 256));
      return std::any_of(haystack.items().begin(), haystack.items().end(),
                         [&](const Value& item) { return equal(item, needle); });
    case Kind::kDict:
      TRY(budget.step(haystack.entries().size() / 16));
      return find_entry(haystack, needle) != nullptr;
    default:
      return failed(fmt::format("argument of type '{}' is not iterable", type_name(haystack)));
  }
}

}  // namespace freehold::model::jinja
