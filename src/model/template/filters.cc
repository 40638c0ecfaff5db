// The built-in filters and tests of Jinja that chat templates use.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/text.h"
#include "model/template/runtime.h"
#include "model/tokenizer/unicode.h"

namespace freehold::model::jinja {
namespace {

using Filter = Result<Value> (*)(Budget&, const Value&, const Arguments&);
using Test = Result<bool> (*)(Budget&, const Value&, const Arguments&);

bool flag(const Arguments& arguments, size_t place, std::string_view name, bool fallback) {
  const Value* value = arguments.find(place, name);
  return value != nullptr ? truth(*value) : fallback;
}

Result<Value> changed(Budget& budget, const Value& value,
                      const std::function<std::string(const std::string&)>& change) {
  return make_text(budget, change(TRY(text_of(budget, value))));
}

Result<Value> filter_trim(Budget& budget, const Value& value, const Arguments& arguments) {
  const Value* chars = arguments.find(0, "chars");
  const std::string set = chars != nullptr && chars->is(Kind::kString) ? chars->text() : "";
  return make_text(budget, std::string(strip(TRY(text_of(budget, value)), set, true, true)));
}

Result<Value> filter_length(Budget& budget, const Value& value, const Arguments&) {
  switch (value.kind) {
    case Kind::kUndefined:
      return Value::number(0);
    case Kind::kString:
      TRY(budget.step(value.text().size() / 256));
      return Value::number(static_cast<int64_t>(rune_count(value.text())));
    case Kind::kList:
    case Kind::kTuple:
      return Value::number(static_cast<int64_t>(value.items().size()));
    case Kind::kDict:
      return Value::number(static_cast<int64_t>(value.entries().size()));
    default:
      return failed(fmt::format("object of type '{}' has no len()", type_name(value)));
  }
}

Result<Value> filter_tojson(Budget& budget, const Value& value, const Arguments& arguments) {
  JsonStyle style;
  style.ensure_ascii = flag(arguments, 0, "ensure_ascii", false);
  style.sort_keys = flag(arguments, 3, "sort_keys", false);
  if (const Value* indent = arguments.find(1, "indent"); indent != nullptr) {
    if (indent->is_integer()) {
      style.indent = std::min<int64_t>(indent->integer, 64);
      style.item_separator = ",";
    }
  }
  if (const Value* separators = arguments.find(2, "separators");
      separators != nullptr && separators->is_sequence() && separators->items().size() == 2) {
    style.item_separator = TRY(text_of(budget, separators->items()[0]));
    style.key_separator = TRY(text_of(budget, separators->items()[1]));
  }
  TRY(budget.text(weight(value)));
  return make_text(budget, TRY(to_json(value, style)));
}

/// item.attribute for join, sort, unique, sum…; the item itself where no attribute is asked for.
Result<Value> key_of(Budget& budget, Value item, const Value* attribute) {
  if (attribute == nullptr || attribute->is(Kind::kNone)) return item;
  if (attribute->is_integer()) return get_item(budget, item, *attribute);
  for (const std::string_view part : base::split(attribute->text(), '.')) {
    item = TRY(get_item(budget, item, Value::string(std::string(part))));
  }
  return item;
}

Result<Value> filter_join(Budget& budget, const Value& value, const Arguments& arguments) {
  const Value* separator = arguments.find(0, "d");
  const Value* attribute = arguments.find(1, "attribute");
  const std::string between = separator != nullptr ? TRY(text_of(budget, *separator)) : "";
  std::string out;
  bool first = true;
  for (const Value& item : TRY(iterate(budget, value))) {
    TRY(budget.step());
    if (!first) out += between;
    first = false;
    const Value part = TRY(key_of(budget, item, attribute));
    out += TRY(text_of(budget, part));
    if (out.size() > Budget::kTextMax) return refused("a text of more than 8 MiB");
  }
  return make_text(budget, std::move(out));
}

Result<Value> filter_replace(Budget& budget, const Value& value, const Arguments& arguments) {
  return call_method(budget, Value::string(TRY(text_of(budget, value))), "replace", arguments);
}
Result<Value> filter_upper(Budget& budget, const Value& value, const Arguments&) {
  return changed(budget, value, [](const std::string& text) { return to_upper(text); });
}
Result<Value> filter_lower(Budget& budget, const Value& value, const Arguments&) {
  return changed(budget, value, [](const std::string& text) { return to_lower(text); });
}
Result<Value> filter_capitalize(Budget& budget, const Value& value, const Arguments&) {
  return changed(budget, value, [](const std::string& text) {
    const size_t first = rune_offset(text, 1);
    return to_upper(text.substr(0, first)) + to_lower(text.substr(first));
  });
}
/// Jinja's own title: words begin behind white space and ( { [ < -.
Result<Value> filter_title(Budget& budget, const Value& value, const Arguments&) {
  return changed(budget, value, [](const std::string& text) {
    std::string out;
    bool start = true;
    for (size_t at = 0; at < text.size();) {
      const base::DecodedRune rune = base::decode_utf8(std::string_view(text).substr(at, 4));
      const std::string piece = text.substr(at, rune.length);
      out += start ? to_upper(piece) : to_lower(piece);
      constexpr std::string_view kBefore = "-({[<";
      start = is_python_space(rune.value) ||
              (rune.length == 1 && kBefore.find(piece[0]) != std::string_view::npos);
      at += rune.length;
    }
    return out;
  });
}

Result<Value> filter_first(Budget& budget, const Value& value, const Arguments&) {
  const Values items = TRY(iterate(budget, value));
  return items.empty() ? Value::undefined("the first item of nothing") : items.front();
}
Result<Value> filter_last(Budget& budget, const Value& value, const Arguments&) {
  const Values items = TRY(iterate(budget, value));
  return items.empty() ? Value::undefined("the last item of nothing") : items.back();
}
Result<Value> filter_list(Budget& budget, const Value& value, const Arguments&) {
  return make_list(TRY(iterate(budget, value)));
}
Result<Value> filter_reverse(Budget& budget, const Value& value, const Arguments&) {
  Values items = TRY(iterate(budget, value));
  std::reverse(items.begin(), items.end());
  if (!value.is(Kind::kString)) return make_list(std::move(items));
  std::string text;
  for (const Value& item : items) text += item.text();
  return make_text(budget, std::move(text));
}
Result<Value> filter_items(Budget& budget, const Value& value, const Arguments&) {
  if (value.is(Kind::kUndefined)) return make_list({});
  if (!value.is(Kind::kDict)) return failed("Can only get item pairs from a mapping.");
  return call_method(budget, value, "items", {});
}

/// The key that sorting compares: small letters where case does not count.
Result<Value> sort_key(Budget& budget, const Value& value, bool case_sensitive) {
  if (case_sensitive || !value.is(Kind::kString)) return value;
  return make_text(budget, to_lower(value.text()));
}

/// Sorts rows of (key, value) by key, keeping the order of equals. Fails where keys do not compare.
Result<Values> sorted_values(Budget& budget, std::vector<std::pair<Value, Value>> rows,
                             bool reverse) {
  uint64_t weights = rows.size();
  for (const auto& row : rows) weights += std::min<uint64_t>(weight(row.first), 1u << 20);
  TRY(budget.step(weights / 16));
  for (size_t i = 1; i < rows.size(); ++i) TRY(compare(rows[i - 1].first, rows[i].first));
  bool comparable = true;
  std::stable_sort(rows.begin(), rows.end(), [&](const auto& a, const auto& b) {
    const auto order = reverse ? compare(b.first, a.first) : compare(a.first, b.first);
    comparable = comparable && order.ok();
    return order.ok() && *order < 0;
  });
  if (!comparable) return failed("items that do not compare cannot be sorted");
  Values values;
  for (auto& row : rows) values.push_back(std::move(row.second));
  return values;
}

Result<Value> filter_sort(Budget& budget, const Value& value, const Arguments& arguments) {
  const bool reverse = flag(arguments, 0, "reverse", false);
  const bool case_sensitive = flag(arguments, 1, "case_sensitive", false);
  const Value* attribute = arguments.find(2, "attribute");
  std::vector<std::pair<Value, Value>> rows;
  for (const Value& item : TRY(iterate(budget, value))) {
    const Value key = TRY(key_of(budget, item, attribute));
    rows.emplace_back(TRY(sort_key(budget, key, case_sensitive)), item);
  }
  return make_list(TRY(sorted_values(budget, std::move(rows), reverse)));
}

Result<Value> filter_dictsort(Budget& budget, const Value& value, const Arguments& arguments) {
  if (!value.is(Kind::kDict)) return failed("dictsort needs a mapping");
  const bool case_sensitive = flag(arguments, 0, "case_sensitive", false);
  const Value* by = arguments.find(1, "by");
  const bool by_value = by != nullptr && by->is(Kind::kString) && by->text() == "value";
  const bool reverse = flag(arguments, 2, "reverse", false);
  std::vector<std::pair<Value, Value>> rows;
  for (const auto& [key, entry] : value.entries()) {
    rows.emplace_back(TRY(sort_key(budget, by_value ? entry : key, case_sensitive)),
                      TRY(make_list({key, entry}, Kind::kTuple)));
  }
  return make_list(TRY(sorted_values(budget, std::move(rows), reverse)));
}

Result<Value> filter_unique(Budget& budget, const Value& value, const Arguments& arguments) {
  const bool case_sensitive = flag(arguments, 0, "case_sensitive", false);
  const Value* attribute = arguments.find(1, "attribute");
  Values seen, kept;
  for (const Value& item : TRY(iterate(budget, value))) {
    Value key = TRY(key_of(budget, item, attribute));
    key = TRY(sort_key(budget, key, case_sensitive));
    bool known = false;
    for (const Value& other : seen) {
      TRY(budget.step());
      known = known || TRY(is_equal(budget, key, other));
    }
    if (known) continue;
    seen.push_back(std::move(key));
    kept.push_back(item);
  }
  return make_list(std::move(kept));
}

Result<Value> filter_sum(Budget& budget, const Value& value, const Arguments& arguments) {
  const Value* start = arguments.find(1, "start");
  Value total = start != nullptr ? *start : Value::number(0);
  for (const Value& item : TRY(iterate(budget, value))) {
    TRY(budget.step());
    const Value part = TRY(key_of(budget, item, arguments.find(0, "attribute")));
    total = TRY(binary(budget, "+", total, part));
  }
  return total;
}

Result<Value> extreme(Budget& budget, const Value& value, const Arguments& arguments, int sign) {
  const bool case_sensitive = flag(arguments, 0, "case_sensitive", false);
  std::optional<Value> best, best_key;
  for (const Value& item : TRY(iterate(budget, value))) {
    const Value part = TRY(key_of(budget, item, arguments.find(1, "attribute")));
    Value key = TRY(sort_key(budget, part, case_sensitive));
    if (best.has_value() && sign * TRY(compare(key, *best_key)) <= 0) continue;
    best = item;
    best_key = std::move(key);
  }
  return best.has_value() ? *best : Value::undefined("the extreme of nothing");
}
Result<Value> filter_min(Budget& budget, const Value& value, const Arguments& arguments) {
  return extreme(budget, value, arguments, -1);
}
Result<Value> filter_max(Budget& budget, const Value& value, const Arguments& arguments) {
  return extreme(budget, value, arguments, 1);
}

Result<Value> filter_default(Budget&, const Value& value, const Arguments& arguments) {
  const bool by_truth = flag(arguments, 1, "boolean", false);
  if (!value.is(Kind::kUndefined) && (!by_truth || truth(value))) return value;
  const Value* fallback = arguments.find(0, "default_value");
  return fallback != nullptr ? *fallback : Value::string({});
}

Result<Value> filter_string(Budget& budget, const Value& value, const Arguments&) {
  return make_text(budget, TRY(text_of(budget, value)));
}
Result<Value> filter_safe(Budget& budget, const Value& value, const Arguments&) {
  std::string text = TRY(text_of(budget, value));
  TRY(budget.text(text.size()));
  return Value::markup(std::move(text));
}

Result<Value> filter_escape(Budget& budget, const Value& value, const Arguments&) {
  if (value.is_markup()) return value;
  const Value text = Value::string(TRY(text_of(budget, value)));
  TRY(budget.text(std::min(6 * text.text().size(), Budget::kTextMax)));
  return Value::markup(escaped(text));
}

Result<Value> filter_int(Budget&, const Value& value, const Arguments& arguments) {
  const Value* given = arguments.find(0, "default");
  const Value fallback = given != nullptr ? *given : Value::number(0);
  if (value.is_integer()) return Value::number(value.integer);
  if (value.is(Kind::kFloat)) {
    if (!(std::abs(value.real) < 9.2e18)) return fallback;
    return Value::number(static_cast<int64_t>(value.real));
  }
  if (!value.is(Kind::kString)) return fallback;
  std::string_view text = strip(value.text(), {}, true, true);
  if (text.substr(0, 1) == "+") text.remove_prefix(1);
  if (const auto integer = base::parse_integer(text); integer.ok()) return Value::number(*integer);
  if (const auto number = base::parse_number(text); number.ok() && std::abs(*number) < 9.2e18) {
    return Value::number(static_cast<int64_t>(*number));
  }
  return fallback;
}

Result<Value> filter_float(Budget&, const Value& value, const Arguments& arguments) {
  const Value* given = arguments.find(0, "default");
  const Value fallback = given != nullptr ? *given : Value::number_of(0.0);
  if (value.is_number()) return Value::number_of(value.as_double());
  if (!value.is(Kind::kString)) return fallback;
  const auto number = base::parse_number(strip(value.text(), {}, true, true));
  return number.ok() ? Value::number_of(*number) : fallback;
}

Result<Value> filter_abs(Budget& budget, const Value& value, const Arguments&) {
  if (value.is(Kind::kFloat)) return Value::number_of(std::abs(value.real));
  if (!value.is_integer()) return failed("abs needs a number");
  if (value.integer >= 0) return Value::number(value.integer);
  return binary(budget, "-", Value::number(0), value);
}

Result<Value> filter_round(Budget&, const Value& value, const Arguments& arguments) {
  if (!value.is_number()) return failed("round needs a number");
  const Value* precision = arguments.find(0, "precision");
  const Value* method = arguments.find(1, "method");
  const int64_t digits = precision != nullptr && precision->is_integer() ? precision->integer : 0;
  if (digits < -300 || digits > 300) return failed("round to that precision is out of range");
  const std::string how =
      method != nullptr && method->is(Kind::kString) ? method->text() : "common";
  if (how == "common") {
    if (value.is_integer() && digits >= 0) return Value::number(value.integer);
    // Python rounds the decimal value, halves to even.
    const std::string text =
        fmt::format("{:.{}f}", value.as_double(), std::max<int64_t>(digits, 0));
    if (digits >= 0) return Value::number_of(*base::parse_number(text));
    const double unit = std::pow(10.0, static_cast<double>(-digits));
    return Value::number_of(std::nearbyint(value.as_double() / unit) * unit);
  }
  const double unit = std::pow(10.0, static_cast<double>(digits));
  const double scaled = value.as_double() * unit;
  return Value::number_of((how == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit);
}

Result<Value> filter_indent(Budget& budget, const Value& value, const Arguments& arguments) {
  const Value* width = arguments.find(0, "width");
  const bool first = flag(arguments, 1, "first", false), blank = flag(arguments, 2, "blank", false);
  std::string pad(4, ' ');
  if (width != nullptr && width->is(Kind::kString)) pad = width->text();
  if (width != nullptr && width->is_integer()) {
    pad.assign(static_cast<size_t>(std::clamp<int64_t>(width->integer, 0, 4096)), ' ');
  }
  const std::string text = TRY(text_of(budget, value));
  const auto lines = base::split(text, '\n');
  if (lines.size() > Budget::kTextMax / (pad.size() + 1))
    return refused("a text of more than 8 MiB");
  std::string out = first ? pad : "";
  for (size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.push_back('\n');
    if (i > 0 && (blank || !lines[i].empty())) out += pad;
    out += lines[i];
  }
  return make_text(budget, std::move(out));
}

Result<Value> filter_format(Budget& budget, const Value& value, const Arguments& arguments) {
  return binary(budget, "%", value, TRY(make_list(arguments.positional, Kind::kTuple)));
}

Result<Value> filter_attr(Budget& budget, const Value& value, const Arguments& arguments) {
  if (arguments.positional.empty()) return failed("attr needs a name");
  return get_attribute(budget, value, TRY(text_of(budget, arguments.positional[0])));
}

Result<Value> filter_count_words(Budget& budget, const Value& value, const Arguments&) {
  const Value text = Value::string(TRY(text_of(budget, value)));
  const Value words = TRY(call_method(budget, text, "split", {}));
  return Value::number(static_cast<int64_t>(words.items().size()));
}

struct FilterRow {
  std::string_view name;
  Filter apply;
};
constexpr FilterRow kFilters[] = {
    {"abs", filter_abs},
    {"attr", filter_attr},
    {"capitalize", filter_capitalize},
    {"count", filter_length},
    {"d", filter_default},
    {"default", filter_default},
    {"dictsort", filter_dictsort},
    {"e", filter_escape},
    {"escape", filter_escape},
    {"first", filter_first},
    {"float", filter_float},
    {"format", filter_format},
    {"indent", filter_indent},
    {"int", filter_int},
    {"items", filter_items},
    {"join", filter_join},
    {"last", filter_last},
    {"length", filter_length},
    {"list", filter_list},
    {"lower", filter_lower},
    {"max", filter_max},
    {"min", filter_min},
    {"replace", filter_replace},
    {"reverse", filter_reverse},
    {"round", filter_round},
    {"safe", filter_safe},
    {"sort", filter_sort},
    {"string", filter_string},
    {"sum", filter_sum},
    {"title", filter_title},
    {"tojson", filter_tojson},
    {"trim", filter_trim},
    {"unique", filter_unique},
    {"upper", filter_upper},
    {"wordcount", filter_count_words},
};

const Value& argument_of(const Arguments& arguments) {
  static const Value nothing{};
  return arguments.positional.empty() ? nothing : arguments.positional[0];
}

template <Kind kKind>
Result<bool> test_kind(Budget&, const Value& value, const Arguments&) {
  return value.is(kKind);
}
Result<bool> test_defined(Budget&, const Value& value, const Arguments&) {
  return !value.is(Kind::kUndefined);
}
Result<bool> test_number(Budget&, const Value& value, const Arguments&) {
  return value.is_number();
}
Result<bool> test_true(Budget&, const Value& value, const Arguments&) {
  return value.is(Kind::kBool) && value.integer != 0;
}
Result<bool> test_false(Budget&, const Value& value, const Arguments&) {
  return value.is(Kind::kBool) && value.integer == 0;
}
Result<bool> test_sequence(Budget&, const Value& value, const Arguments&) {
  return value.is_sequence() || value.is(Kind::kString) || value.is(Kind::kDict) ||
         value.is(Kind::kUndefined);
}
Result<bool> test_callable(Budget&, const Value& value, const Arguments&) {
  return value.is(Kind::kFunction) || value.is(Kind::kMacro) || value.is(Kind::kMethod);
}
template <int kRemainder>
Result<bool> test_parity(Budget&, const Value& value, const Arguments&) {
  if (!value.is_integer()) return failed("odd and even need a whole number");
  return std::abs(value.integer % 2) == kRemainder;
}
Result<bool> test_divisible(Budget& budget, const Value& value, const Arguments& arguments) {
  return !truth(TRY(binary(budget, "%", value, argument_of(arguments))));
}
Result<bool> test_equal(Budget& budget, const Value& value, const Arguments& arguments) {
  return is_equal(budget, value, argument_of(arguments));
}
Result<bool> test_unequal(Budget& budget, const Value& value, const Arguments& arguments) {
  return !TRY(is_equal(budget, value, argument_of(arguments)));
}
Result<bool> test_less(Budget&, const Value& value, const Arguments& arguments) {
  return TRY(compare(value, argument_of(arguments))) < 0;
}
Result<bool> test_less_equal(Budget&, const Value& value, const Arguments& arguments) {
  return TRY(compare(value, argument_of(arguments))) <= 0;
}
Result<bool> test_greater(Budget&, const Value& value, const Arguments& arguments) {
  return TRY(compare(value, argument_of(arguments))) > 0;
}
Result<bool> test_greater_equal(Budget&, const Value& value, const Arguments& arguments) {
  return TRY(compare(value, argument_of(arguments))) >= 0;
}
Result<bool> test_in(Budget& budget, const Value& value, const Arguments& arguments) {
  return contains(budget, argument_of(arguments), value);
}
Result<bool> test_lower(Budget& budget, const Value& value, const Arguments&) {
  const std::string text = TRY(text_of(budget, value));
  return text == to_lower(text) && text != to_upper(text);
}
Result<bool> test_upper(Budget& budget, const Value& value, const Arguments&) {
  const std::string text = TRY(text_of(budget, value));
  return text == to_upper(text) && text != to_lower(text);
}
Result<bool> test_same(Budget&, const Value& value, const Arguments& arguments) {
  const Value& other = argument_of(arguments);
  return value.kind == other.kind &&
         (value.object != nullptr ? value.object == other.object : value.integer == other.integer);
}

struct TestRow {
  std::string_view name;
  Test holds;
};
constexpr TestRow kTests[] = {
    {"!=", test_unequal},
    {"<", test_less},
    {"<=", test_less_equal},
    {"==", test_equal},
    {">", test_greater},
    {">=", test_greater_equal},
    {"boolean", test_kind<Kind::kBool>},
    {"callable", test_callable},
    {"defined", test_defined},
    {"divisibleby", test_divisible},
    {"eq", test_equal},
    {"equalto", test_equal},
    {"even", test_parity<0>},
    {"false", test_false},
    {"float", test_kind<Kind::kFloat>},
    {"ge", test_greater_equal},
    {"greaterthan", test_greater},
    {"gt", test_greater},
    {"in", test_in},
    {"integer", test_kind<Kind::kInt>},
    {"iterable", test_sequence},
    {"le", test_less_equal},
    {"lessthan", test_less},
    {"lower", test_lower},
    {"lt", test_less},
    {"mapping", test_kind<Kind::kDict>},
    {"ne", test_unequal},
    {"none", test_kind<Kind::kNone>},
    {"number", test_number},
    {"odd", test_parity<1>},
    {"sameas", test_same},
    {"sequence", test_sequence},
    {"string", test_kind<Kind::kString>},
    {"true", test_true},
    {"undefined", test_kind<Kind::kUndefined>},
    {"upper", test_upper},
};

}  // namespace

Result<std::optional<Value>> apply_filter(Budget& budget, const std::string& name,
                                          const Value& value, const Arguments& arguments) {
  for (const FilterRow& row : kFilters) {
    if (row.name == name) {
      return std::optional<Value>(TRY(row.apply(budget, value, arguments)));
    }
  }
  return std::optional<Value>();
}

Result<std::optional<bool>> apply_test(Budget& budget, const std::string& name, const Value& value,
                                       const Arguments& arguments) {
  for (const TestRow& row : kTests) {
    if (row.name == name) {
      return std::optional<bool>(TRY(row.holds(budget, value, arguments)));
    }
  }
  return std::optional<bool>();
}

}  // namespace freehold::model::jinja
