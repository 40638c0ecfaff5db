// Methods of strings, lists and dicts, and the global functions.

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "model/template/runtime.h"
#include "model/tokenizer/unicode.h"

namespace freehold::model::jinja {
namespace {

constexpr std::string_view kStringMethods[] = {
    "strip",    "lstrip",  "rstrip",  "split",   "rsplit",       "splitlines",   "startswith",
    "endswith", "upper",   "lower",   "title",   "capitalize",   "replace",      "join",
    "find",     "rfind",   "index",   "count",   "removeprefix", "removesuffix", "format",
    "isdigit",  "isalpha", "isalnum", "isspace", "isupper",      "islower",      "zfill"};
constexpr std::string_view kDictMethods[] = {"get",    "items", "keys",    "values", "copy",
                                             "update", "pop",   "popitem", "clear",  "setdefault"};
constexpr std::string_view kListMethods[] = {"index",  "count",  "copy",   "append",
                                             "extend", "insert", "remove", "reverse",
                                             "sort",   "clear",  "pop"};
constexpr std::string_view kChangers[] = {"append",  "extend", "insert",    "remove",
                                          "reverse", "sort",   "clear",     "pop",
                                          "popitem", "update", "setdefault"};

template <size_t kSize>
bool has(const std::string_view (&names)[kSize], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

Result<std::string> text_argument(const Arguments& arguments, size_t place, const char* method) {
  const Value* value = arguments.find(place, {});
  if (value == nullptr || !value->is(Kind::kString)) {
    return failed(fmt::format("{}() needs a string", method));
  }
  return value->text();
}

int64_t integer_argument(const Arguments& arguments, size_t place, std::string_view name,
                         int64_t fallback) {
  const Value* value = arguments.find(place, name);
  return value != nullptr && value->is_integer() ? value->integer : fallback;
}

/// Pieces as strings in a list.
Result<Value> list_of(Budget& budget, const std::vector<std::string_view>& pieces) {
  TRY(budget.values(4 * pieces.size()));
  Values items;
  for (const std::string_view piece : pieces) {
    items.push_back(TRY(make_text(budget, std::string(piece))));
  }
  return make_list(std::move(items));
}

/// str.split() at white space, from either end.
std::vector<std::string_view> split_words(std::string_view text, int64_t splits_max) {
  std::vector<std::string_view> words;
  for (text = strip(text, {}, true, false); !text.empty();) {
    if (splits_max >= 0 && static_cast<int64_t>(words.size()) == splits_max) {
      words.push_back(strip(text, {}, false, true));
      break;
    }
    size_t end = 0;
    while (end < text.size()) {
      const base::DecodedRune rune = base::decode_utf8(text.substr(end, 4));
      if (is_python_space(rune.value)) break;
      end += rune.length;
    }
    words.push_back(text.substr(0, end));
    text = strip(text.substr(end), {}, true, false);
  }
  return words;
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator,
                                       int64_t splits_max) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const bool enough = splits_max >= 0 && static_cast<int64_t>(pieces.size()) >= splits_max;
    const size_t at = enough ? std::string_view::npos : text.find(separator);
    pieces.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return pieces;
    text.remove_prefix(at + separator.size());
  }
}

std::vector<std::string_view> split_from_right(std::string_view text, std::string_view separator,
                                               int64_t splits_max) {
  std::vector<std::string_view> pieces;
  for (;;) {
    const bool enough = splits_max >= 0 && static_cast<int64_t>(pieces.size()) >= splits_max;
    const size_t at = enough ? std::string_view::npos : text.rfind(separator);
    if (at == std::string_view::npos) break;
    pieces.push_back(text.substr(at + separator.size()));
    text = text.substr(0, at);
  }
  pieces.push_back(text);
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

Result<Value> split(Budget& budget, std::string_view text, const Arguments& arguments,
                    bool from_right) {
  TRY(budget.step(text.size() / 64));
  const Value* separator = arguments.find(0, "sep");
  const int64_t splits_max = integer_argument(arguments, 1, "maxsplit", -1);
  if (separator == nullptr || separator->is(Kind::kNone)) {
    if (from_right && splits_max >= 0) return failed("rsplit() at white space with a limit");
    return list_of(budget, split_words(text, splits_max));
  }
  if (!separator->is(Kind::kString)) return failed("split() needs a string");
  if (separator->text().empty()) return failed("empty separator");
  return list_of(budget, from_right ? split_from_right(text, separator->text(), splits_max)
                                    : split_at(text, separator->text(), splits_max));
}

std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find_first_of("\n\r\v\f\x1c\x1d\x1e"), text.size());
    lines.push_back(text.substr(0, end));
    const bool both = text.substr(end, 2) == "\r\n";
    text.remove_prefix(std::min(text.size(), end + (both ? 2 : 1)));
  }
  return lines;
}

Result<Value> replace(Budget& budget, std::string_view text, const Arguments& arguments) {
  const Value* old_value = arguments.find(0, "old");
  const Value* new_value = arguments.find(1, "new");
  if (old_value == nullptr || new_value == nullptr) return failed("replace() needs two strings");
  const std::string from = TRY(text_of(budget, *old_value));
  const std::string to = TRY(text_of(budget, *new_value));
  int64_t left = integer_argument(arguments, 2, "count", -1);
  std::string out;
  size_t at = 0;
  if (from.empty()) {
    // Between all characters, as Python does it.
    while (left != 0 && at <= text.size()) {
      out += to;
      --left;
      if (at == text.size()) break;
      const size_t length = base::decode_utf8(text.substr(at, 4)).length;
      out += text.substr(at, length);
      at += length;
      if (out.size() > Budget::kTextMax) return refused("a text of more than 8 MiB");
    }
    out += text.substr(std::min(at, text.size()));
    return make_text(budget, std::move(out));
  }
  for (; left != 0; --left) {
    const size_t found = text.find(from, at);
    if (found == std::string_view::npos) break;
    out += text.substr(at, found - at);
    out += to;
    at = found + from.size();
    if (out.size() > Budget::kTextMax) return refused("a text of more than 8 MiB");
  }
  out += text.substr(at);
  return make_text(budget, std::move(out));
}

Result<Value> affix(const std::string& text, const Arguments& arguments, bool start) {
  const Value* given = arguments.find(0, {});
  if (given == nullptr) return failed("startswith and endswith need a string");
  const Values choices = given->is(Kind::kTuple) ? given->items() : Values{*given};
  for (const Value& choice : choices) {
    if (!choice.is(Kind::kString)) return failed("startswith and endswith need a string");
    const std::string& part = choice.text();
    if (part.size() > text.size()) continue;
    if (text.compare(start ? 0 : text.size() - part.size(), part.size(), part) == 0) {
      return Value::boolean(true);
    }
  }
  return Value::boolean(false);
}

/// "{} {0} {name}".format(…); format specifications are not there.
Result<Value> format(Budget& budget, std::string_view text, const Arguments& arguments) {
  std::string out;
  size_t next = 0;
  for (size_t at = 0; at < text.size(); ++at) {
    const char byte = text[at];
    if ((byte == '{' || byte == '}') && text.substr(at + 1, 1) == std::string_view(&byte, 1)) {
      out.push_back(byte);
      ++at;
      continue;
    }
    if (byte != '{') {
      out.push_back(byte);
      continue;
    }
    const size_t end = text.find('}', at);
    if (end == std::string_view::npos) return failed("expected '}' before end of string");
    const std::string field(text.substr(at + 1, end - at - 1));
    const Value* value = nullptr;
    if (field.empty()) {
      value = arguments.find(next++, {});
    } else if (const auto place = base::parse_integer(field); place.ok() && *place >= 0) {
      value = arguments.find(static_cast<size_t>(*place), {});
    } else if (field.find_first_of("!:.[") == std::string::npos) {
      value = arguments.find(size_t{1} << 20, field);
    } else {
      return refused("format specifications in format() are not supported");
    }
    if (value == nullptr) return failed(fmt::format("format() has no value for '{}'", field));
    out += TRY(text_of(budget, *value));
    if (out.size() > Budget::kTextMax) return refused("a text of more than 8 MiB");
    at = end;
  }
  return make_text(budget, std::move(out));
}

/// find, rfind, index and count of a substring, in code points.
Result<Value> search(Budget& budget, const std::string& name, const std::string& text,
                     const Arguments& arguments) {
  TRY(budget.step(text.size() / 256));
  const std::string part = TRY(text_argument(arguments, 0, name.c_str()));
  if (name == "count") {
    int64_t count = part.empty() ? static_cast<int64_t>(rune_count(text)) + 1 : 0;
    for (size_t at = 0; !part.empty() && (at = text.find(part, at)) != std::string::npos;
         at += part.size()) {
      ++count;
    }
    return Value::number(count);
  }
  const size_t at = name == "rfind" ? text.rfind(part) : text.find(part);
  if (at == std::string::npos) {
    if (name == "index") return failed("substring not found");
    return Value::number(-1);
  }
  return Value::number(static_cast<int64_t>(rune_count(std::string_view(text).substr(0, at))));
}

/// isdigit and its kind: not empty, and every character of the classes.
bool all_of_class(std::string_view text, uint8_t classes) {
  if (text.empty()) return false;
  for (size_t at = 0; at < text.size();) {
    const unicode::Rune rune = unicode::rune_at(text, at);
    if (!rune.is(classes)) return false;
    at += rune.length;
  }
  return true;
}

Result<Value> classify(const std::string& name, const std::string& text) {
  using namespace unicode;
  if (name == "isdigit") return Value::boolean(all_of_class(text, kNumber));
  if (name == "isalpha") return Value::boolean(all_of_class(text, kLetter));
  if (name == "isalnum") return Value::boolean(all_of_class(text, kLetter | kNumber));
  if (name == "isspace") return Value::boolean(all_of_class(text, kSpace));
  const bool upper = name == "isupper";
  return Value::boolean((upper ? to_upper(text) : to_lower(text)) == text &&
                        (upper ? to_lower(text) : to_upper(text)) != text);
}

/// str.title(): every run of letters by itself.
std::string python_title(std::string_view text) {
  std::string out;
  bool inside = false;
  for (size_t at = 0; at < text.size();) {
    const unicode::Rune rune = unicode::rune_at(text, at);
    const std::string_view piece = text.substr(at, rune.length);
    out += inside ? to_lower(piece) : to_upper(piece);
    inside = rune.is(unicode::kUpper | unicode::kLower);
    at += rune.length;
  }
  return out;
}

Result<Value> change_case(Budget& budget, const std::string& name, const std::string& text) {
  if (name == "upper") return make_text(budget, to_upper(text));
  if (name == "lower") return make_text(budget, to_lower(text));
  if (name == "title") return make_text(budget, python_title(text));
  const size_t first = rune_offset(text, 1);
  return make_text(budget, to_upper(text.substr(0, first)) + to_lower(text.substr(first)));
}

Result<Value> string_method(Budget& budget, const Value& receiver, const std::string& name,
                            const Arguments& arguments) {
  const std::string& text = receiver.text();
  TRY(budget.step(text.size() / 1024));
  if (name == "strip" || name == "lstrip" || name == "rstrip") {
    const Value* chars = arguments.find(0, {});
    const std::string set = chars != nullptr && chars->is(Kind::kString) ? chars->text() : "";
    return make_text(budget, std::string(strip(text, set, name != "rstrip", name != "lstrip")));
  }
  if (name == "split") return split(budget, text, arguments, false);
  if (name == "rsplit") return split(budget, text, arguments, true);
  if (name == "splitlines") return list_of(budget, split_lines(text));
  if (name == "startswith" || name == "endswith") {
    return affix(text, arguments, name == "startswith");
  }
  if (name == "replace") return replace(budget, text, arguments);
  if (name == "format") return format(budget, text, arguments);
  if (name == "join") {
    if (arguments.positional.empty()) return failed("join() needs a list");
    Arguments separator;
    separator.positional.push_back(receiver);
    return *TRY(apply_filter(budget, "join", arguments.positional[0], separator));
  }
  if (name == "find" || name == "rfind" || name == "index" || name == "count") {
    return search(budget, name, text, arguments);
  }
  if (name == "removeprefix" || name == "removesuffix") {
    const std::string part = TRY(text_argument(arguments, 0, name.c_str()));
    const bool prefix = name == "removeprefix";
    const bool there = truth(TRY(affix(text, arguments, prefix)));
    if (!there) return receiver;
    return make_text(budget,
                     prefix ? text.substr(part.size()) : text.substr(0, text.size() - part.size()));
  }
  if (name == "zfill") {
    const int64_t width = integer_argument(arguments, 0, {}, 0);
    const auto missing = width - static_cast<int64_t>(rune_count(text));
    if (missing <= 0) return receiver;
    if (missing > 4096) return refused("zfill() wider than 4096");
    const bool sign = !text.empty() && (text[0] == '-' || text[0] == '+');
    return make_text(budget, text.substr(0, sign) + std::string(static_cast<size_t>(missing), '0') +
                                 text.substr(sign));
  }
  if (name.substr(0, 2) == "is") return classify(name, text);
  return change_case(budget, name, text);
}

Result<Value> dict_method(Budget& budget, const Value& receiver, const std::string& name,
                          const Arguments& arguments) {
  if (name == "get") {
    const Value* key = arguments.find(0, {});
    if (key == nullptr) return failed("get() needs a key");
    TRY(budget.step(receiver.entries().size() / 32));
    if (const Value* found = find_entry(receiver, *key)) return *found;
    const Value* fallback = arguments.find(1, {});
    return fallback != nullptr ? *fallback : Value::none();
  }
  if (name == "copy") return receiver;
  TRY(budget.values(receiver.entries().size()));
  Values items;
  for (const auto& [key, value] : receiver.entries()) {
    if (name == "items") {
      items.push_back(TRY(make_list({key, value}, Kind::kTuple)));
    } else {
      items.push_back(name == "keys" ? key : value);
    }
  }
  return make_list(std::move(items));
}

Result<Value> list_method(Budget& budget, const Value& receiver, const std::string& name,
                          const Arguments& arguments) {
  if (name == "copy") return receiver;
  const Value* wanted = arguments.find(0, {});
  if (wanted == nullptr) return failed(fmt::format("{}() needs a value", name));
  int64_t count = 0;
  for (size_t i = 0; i < receiver.items().size(); ++i) {
    TRY(budget.step());
    if (!TRY(is_equal(budget, receiver.items()[i], *wanted))) continue;
    if (name == "index") return Value::number(static_cast<int64_t>(i));
    ++count;
  }
  if (name == "index") return failed("the value is not in the list");
  return Value::number(count);
}

Result<Value> range(Budget& budget, const Arguments& arguments) {
  // Jinja's sandbox has the same limit.
  constexpr int64_t kRangeMax = 100'000;
  for (const Value& value : arguments.positional) {
    if (!value.is_integer()) return failed("range() needs whole numbers");
  }
  const size_t count = arguments.positional.size();
  if (count == 0 || count > 3) return failed("range() needs one to three numbers");
  const auto number = [&](size_t place) { return arguments.positional[place].integer; };
  const int64_t start = count == 1 ? 0 : number(0), stop = number(count == 1 ? 0 : 1);
  const int64_t step = count == 3 ? number(2) : 1;
  if (step == 0) return failed("range() arg 3 must not be zero");
  Values items;
  for (int64_t value = start; step > 0 ? value < stop : value > stop;) {
    if (static_cast<int64_t>(items.size()) == kRangeMax) {
      return refused("a range of more than 100000 numbers");
    }
    items.push_back(Value::number(value));
    if (__builtin_add_overflow(value, step, &value)) break;
  }
  TRY(budget.values(items.size()));
  return make_list(std::move(items));
}

/// A moment of the Gregorian calendar, UTC.
struct Moment {
  int64_t year = 1970;
  int month = 1, day = 1, weekday = 4, year_day = 1;  // Sunday is 0
  int hour = 0, minute = 0, second = 0;
};

Moment moment_of(int64_t seconds) {
  const int64_t days = seconds >= 0 ? seconds / 86'400 : -((86'399 - seconds) / 86'400);
  const auto rest = static_cast<int>(seconds - days * 86'400);
  Moment moment;
  moment.hour = rest / 3600;
  moment.minute = rest / 60 % 60;
  moment.second = rest % 60;
  moment.weekday = static_cast<int>(((days + 4) % 7 + 7) % 7);
  // Days since 1 March of year 0, in eras of 400 years (Richards, "Mapping Time", 1998).
  const int64_t shifted = days + 719'468;
  const int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const int64_t day = shifted - era * 146'097;
  const int64_t year = (day - day / 1460 + day / 36'524 - day / 146'096) / 365;
  const int64_t of_year = day - (365 * year + year / 4 - year / 100);
  const int64_t month = (5 * of_year + 2) / 153;
  moment.day = static_cast<int>(of_year - (153 * month + 2) / 5 + 1);
  moment.month = static_cast<int>(month < 10 ? month + 3 : month - 9);
  moment.year = year + era * 400 + (moment.month <= 2 ? 1 : 0);
  const bool leap = (moment.year % 4 == 0 && moment.year % 100 != 0) || moment.year % 400 == 0;
  constexpr int kBefore[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  moment.year_day = kBefore[moment.month - 1] + moment.day + (leap && moment.month > 2 ? 1 : 0);
  return moment;
}

Result<std::string> time_field(char field, const Moment& moment) {
  constexpr std::array<const char*, 12> kMonths = {"January",   "February", "March",    "April",
                                                   "May",       "June",     "July",     "August",
                                                   "September", "October",  "November", "December"};
  constexpr std::array<const char*, 7> kDays = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                                "Thursday", "Friday", "Saturday"};
  const std::string month = kMonths[static_cast<size_t>(moment.month - 1)];
  const std::string day = kDays[static_cast<size_t>(moment.weekday)];
  switch (field) {
    case 'Y':
      return std::to_string(moment.year);
    case 'y':
      return fmt::format("{:02}", moment.year % 100);
    case 'm':
      return fmt::format("{:02}", moment.month);
    case 'd':
      return fmt::format("{:02}", moment.day);
    case 'e':
      return fmt::format("{:2}", moment.day);
    case 'j':
      return fmt::format("{:03}", moment.year_day);
    case 'H':
      return fmt::format("{:02}", moment.hour);
    case 'I':
      return fmt::format("{:02}", moment.hour % 12 == 0 ? 12 : moment.hour % 12);
    case 'M':
      return fmt::format("{:02}", moment.minute);
    case 'S':
      return fmt::format("{:02}", moment.second);
    case 'p':
      return std::string(moment.hour < 12 ? "AM" : "PM");
    case 'B':
      return month;
    case 'b':
      return month.substr(0, 3);
    case 'A':
      return day;
    case 'a':
      return day.substr(0, 3);
    case 'F':
      return fmt::format("{}-{:02}-{:02}", moment.year, moment.month, moment.day);
    case 'T':
      return fmt::format("{:02}:{:02}:{:02}", moment.hour, moment.minute, moment.second);
    case '%':
      return std::string("%");
    default:
      return refused(fmt::format("strftime_now does not know '%{}'", field));
  }
}

Result<Value> strftime(Budget& budget, const Arguments& arguments, int64_t now) {
  const std::string form = TRY(text_argument(arguments, 0, "strftime_now"));
  const Moment moment = moment_of(now);
  std::string out;
  for (size_t at = 0; at < form.size(); ++at) {
    if (form[at] != '%' || at + 1 == form.size()) {
      out.push_back(form[at]);
      continue;
    }
    ++at;
    if (form[at] == '-' && at + 1 < form.size()) {
      const std::string field = TRY(time_field(form[++at], moment));
      const size_t digits = std::min(field.find_first_not_of("0 "), field.size() - 1);
      out += field.substr(digits);
    } else {
      out += TRY(time_field(form[at], moment));
    }
  }
  return make_text(budget, std::move(out));
}

}  // namespace

bool is_method(const Value& receiver, std::string_view name) {
  if (receiver.is(Kind::kString)) return has(kStringMethods, name);
  if (receiver.is(Kind::kDict)) return has(kDictMethods, name);
  if (receiver.is_sequence()) return has(kListMethods, name);
  return false;
}

Result<Value> call_method(Budget& budget, const Value& receiver, const std::string& name,
                          const Arguments& arguments) {
  if (!receiver.is(Kind::kString) && has(kChangers, name)) {
    return refused(
        fmt::format("'{}' would change a {}; templates may not", name, type_name(receiver)));
  }
  if (receiver.is(Kind::kString)) return string_method(budget, receiver, name, arguments);
  if (receiver.is(Kind::kDict)) return dict_method(budget, receiver, name, arguments);
  return list_method(budget, receiver, name, arguments);
}

Result<Value> call_function(Budget& budget, const std::string& name, const Arguments& arguments,
                            int64_t now) {
  if (name == "range") return range(budget, arguments);
  if (name == "strftime_now") return strftime(budget, arguments, now);
  if (name == "raise_exception") {
    const Value* message = arguments.find(0, "message");
    return failed(message != nullptr ? TRY(text_of(budget, *message)) : "it raised an error");
  }
  Entries entries;  // dict(…)
  for (const Value& value : arguments.positional) {
    if (!value.is(Kind::kDict)) return failed("dict() takes names or a dict");
    entries = value.entries();
  }
  for (const auto& argument : arguments.named) {
    const auto same = std::find_if(entries.begin(), entries.end(), [&](const auto& entry) {
      return entry.first.is(Kind::kString) && entry.first.text() == argument.first;
    });
    if (same != entries.end()) {
      same->second = argument.second;
    } else {
      entries.emplace_back(Value::string(argument.first), argument.second);
    }
  }
  return make_dict(std::move(entries));
}

}  // namespace freehold::model::jinja
