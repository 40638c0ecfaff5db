#include "model/grammar/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/text.h"
#include "model/grammar/utf8_ranges.h"

namespace freehold::model {

namespace {

using ExpressionId = GrammarBuilder::ExpressionId;
using RuleId = GrammarBuilder::RuleId;
constexpr uint32_t kUnbounded = GrammarBuilder::kUnbounded;

constexpr uint32_t kIndentationMax = 20;
/// Integer digits behind the first, fraction digits: 1 + 15 digits are exact in a double, and a
/// model that writes more has lost its way.
constexpr uint32_t kDigitsMore = 15;
constexpr uint32_t kFractionDigits = 16;
constexpr uint64_t kWithoutEnd = 9'999'999'999'999'999;  // as many digits
constexpr RuneRange kPlain[] = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0x10FFFF}};

std::u32string runes_of(std::string_view text) {
  std::u32string runes;
  for (size_t at = 0; at < text.size();) {
    const base::DecodedRune rune = base::decode_utf8(text.substr(at));
    runes += rune.value;
    at += rune.length;
  }
  return runes;
}

// The depth is the reader's, at most 64.
void write(base::JsonWriter& writer, const base::JsonValue& json) {  // NOLINT(misc-no-recursion)
  if (json.is_object()) {
    writer.begin_object();
    for (const base::JsonMember& member : json.members()) {
      writer.key(member.key);
      write(writer, member.value);
    }
    writer.end_object();
  } else if (json.is_array()) {
    writer.begin_array();
    for (const base::JsonValue& element : json.elements()) write(writer, element);
    writer.end_array();
  } else if (const auto text = json.as_string()) {
    writer.value(*text);
  } else if (const auto flag = json.as_bool()) {
    writer.value(*flag);
  } else if (const auto whole = json.as_integer()) {
    writer.value(*whole);
  } else if (const auto large = json.as_unsigned()) {
    writer.value(*large);
  } else if (const auto real = json.as_number()) {
    writer.value(*real);
  } else {
    writer.null();
  }
}

}  // namespace

std::string written_json(const base::JsonValue& value) {
  std::string out;
  base::JsonWriter writer(out);
  write(writer, value);
  return out;
}

JsonText::JsonText(GrammarBuilder& builder)
    : builder_(builder),
      space_(builder.new_rule("white space")),
      character_(builder.new_rule("a character of a string")),
      any_(builder.new_rule("any value")),
      any_object_(builder.new_rule("any object")),
      any_array_(builder.new_rule("any array")),
      any_string_(builder.new_rule("any string")) {
  builder.define(
      space_,
      builder.choice({builder.nothing(), builder.text(" "),
                      builder.sequence({builder.text("\n"), builder.repeat(builder.bytes(' ', ' '),
                                                                           0, kIndentationMax)})}));
  const auto hex = [&] {
    return builder.choice(
        {builder.bytes('0', '9'), builder.bytes('a', 'f'), builder.bytes('A', 'F')});
  };
  const auto either = [&](std::string_view letters) {
    std::vector<ExpressionId> parts;
    for (const char c : letters) parts.push_back(builder.text({&c, 1}));
    return builder.choice(std::move(parts));
  };
  const auto single =
      builder.choice({builder.sequence({either("0123456789abcefABCEF"), hex(), hex(), hex()}),
                      builder.sequence({either("dD"), builder.bytes('0', '7'), hex(), hex()})});
  const auto pair =
      builder.sequence({either("dD"), either("89abAB"), hex(), hex(), builder.text("\\u"),
                        either("dD"), either("cdefCDEF"), hex(), hex()});
  const auto escaped =
      builder.choice({either("\"\\/bfnrt"),
                      builder.sequence({builder.text("u"), builder.choice({single, pair})})});
  builder.define(character_, builder.choice({builder.runes(kPlain),
                                             builder.sequence({builder.text("\\"), escaped})}));
  define_any();
}

void JsonText::define_any() {
  builder_.define(any_string_, quoted(builder_.repeat(character(), 0, kUnbounded)));
  const auto member = builder_.sequence(
      {builder_.call(any_string_), space(), builder_.text(":"), space(), builder_.call(any_)});
  builder_.define(any_object_, list("{", member, "}", 0, kUnbounded));
  builder_.define(any_array_, list("[", builder_.call(any_), "]", 0, kUnbounded));
  builder_.define(
      any_, builder_.choice({builder_.text("null"), builder_.text("true"), builder_.text("false"),
                             number(), builder_.call(any_string_), any_array(), any_object()}));
}

ExpressionId JsonText::character_of(std::span<const RuneRange> ranges) {
  std::vector<ExpressionId> parts;
  std::vector<RuneRange> plain;
  for (const RuneRange& range : ranges) {
    for (const RuneRange& part : kPlain) {
      const RuneRange common{std::max(range.low, part.low), std::min(range.high, part.high)};
      if (common.low <= common.high) plain.push_back(common);
    }
    for (char32_t rune = range.low; rune <= std::min<char32_t>(range.high, '\\'); ++rune) {
      if (rune >= 0x20 && rune != '"' && rune != '\\') continue;
      std::string quoted_text;
      base::append_json_string(quoted_text, std::string(1, static_cast<char>(rune)));
      parts.push_back(builder_.text(quoted_text.substr(1, quoted_text.size() - 2)));
    }
  }
  if (!plain.empty()) parts.push_back(builder_.runes(merged(std::move(plain))));
  return parts.size() == 1 ? parts[0] : builder_.choice(std::move(parts));
}

ExpressionId JsonText::quoted(ExpressionId inside) {
  return builder_.sequence({builder_.text("\""), inside, builder_.text("\"")});
}

ExpressionId JsonText::string(uint32_t min, uint32_t max) {
  if (min == 0 && max == kUnbounded) return builder_.call(any_string_);
  return quoted(builder_.repeat(character(), min, max));
}

ExpressionId JsonText::literal(std::string_view text) {
  std::string out;
  base::append_json_string(out, text);
  return builder_.text(out);
}

// The depth is the reader's, at most 64.
ExpressionId JsonText::value(const base::JsonValue& json) {  // NOLINT(misc-no-recursion)
  if (const auto text = json.as_string()) return literal(*text);
  std::vector<ExpressionId> parts;
  const bool object = json.is_object();
  if (object || json.is_array()) {
    parts.push_back(builder_.text(object ? "{" : "["));
    bool first = true;
    const auto separate = [&] {
      if (!first) parts.push_back(builder_.text(","));
      first = false;
      parts.push_back(space());
    };
    for (const base::JsonMember& member : json.members()) {
      separate();
      parts.insert(parts.end(), {literal(member.key), builder_.text(":"), space()});
      parts.push_back(value(member.value));
    }
    for (const base::JsonValue& element : json.elements()) {
      separate();
      parts.push_back(value(element));
    }
    if (!first) parts.push_back(space());
    parts.push_back(builder_.text(object ? "}" : "]"));
    return builder_.sequence(std::move(parts));
  }
  return builder_.text(written_json(json));
}

// One rule a place in the tree of `texts`; each says which character leads away from all of them.
RuleId JsonText::except_rule(  // NOLINT(misc-no-recursion)
    std::span<const std::u32string> texts, size_t depth) {
  std::map<char32_t, std::vector<std::u32string>> onward;
  bool ends = false;
  for (const std::u32string& text : texts) {
    if (text.size() == depth) {
      ends = true;
    } else {
      onward[text[depth]].push_back(text);
    }
  }
  std::vector<ExpressionId> parts;
  std::vector<RuneRange> taken;
  if (!ends) parts.push_back(builder_.nothing());
  for (const auto& [rune, rest] : onward) {
    taken.push_back({rune, rune});
    const RuneRange only[] = {{rune, rune}};
    parts.push_back(
        builder_.sequence({character_of(only), builder_.call(except_rule(rest, depth + 1))}));
  }
  const std::vector<RuneRange> whole{{0, 0x10FFFF}};
  parts.push_back(builder_.sequence({character_of(complement(std::move(taken))),
                                     builder_.repeat(character_of(whole), 0, kUnbounded)}));
  const RuleId rule = builder_.new_rule("another key");
  builder_.define(rule, builder_.choice(std::move(parts)));
  return rule;
}

ExpressionId JsonText::string_except(std::span<const std::string_view> texts) {
  if (texts.empty()) return builder_.call(any_string_);
  std::vector<std::u32string> runes;
  for (const std::string_view text : texts) runes.push_back(runes_of(text));
  return quoted(builder_.call(except_rule(runes, 0)));
}

ExpressionId JsonText::integer() {
  return builder_.sequence(
      {builder_.optional(builder_.text("-")),
       builder_.choice(
           {builder_.text("0"),
            builder_.sequence({builder_.bytes('1', '9'),
                               builder_.repeat(builder_.bytes('0', '9'), 0, kDigitsMore)})})});
}

ExpressionId JsonText::number() {
  const auto fraction = builder_.sequence(
      {builder_.text("."), builder_.repeat(builder_.bytes('0', '9'), 1, kFractionDigits)});
  const auto exponent = builder_.sequence(
      {builder_.choice({builder_.text("e"), builder_.text("E")}),
       builder_.optional(builder_.choice({builder_.text("+"), builder_.text("-")})),
       builder_.choice({builder_.sequence({builder_.bytes('0', '2'), builder_.bytes('0', '9'),
                                           builder_.bytes('0', '9')}),
                        builder_.repeat(builder_.bytes('0', '9'), 1, 2)})});
  return builder_.sequence({integer(), builder_.optional(fraction), builder_.optional(exponent)});
}

ExpressionId JsonText::list(std::string_view open, ExpressionId item, std::string_view close,
                            uint32_t min, uint32_t max) {
  if (max == 0) {
    return builder_.sequence({builder_.text(open), space(), builder_.text(close)});
  }
  const auto more =
      builder_.repeat(builder_.sequence({space(), builder_.text(","), space(), item}),
                      min == 0 ? 0 : min - 1, max == kUnbounded ? kUnbounded : max - 1);
  const auto items = builder_.sequence({item, more, space()});
  return builder_.sequence({builder_.text(open), space(),
                            min == 0 ? builder_.optional(items) : items, builder_.text(close)});
}

namespace {

ExpressionId digits_any(GrammarBuilder& builder, size_t count) {
  return builder.repeat(builder.bytes('0', '9'), static_cast<uint32_t>(count),
                        static_cast<uint32_t>(count));
}

ExpressionId digit(GrammarBuilder& builder, int low, int high) {
  return builder.bytes(static_cast<uint8_t>('0' + low), static_cast<uint8_t>('0' + high));
}

/// Digit strings as long as both, from `low` to `high`.
ExpressionId same_length(GrammarBuilder& builder, std::string_view low, std::string_view high) {
  std::vector<ExpressionId> choices;
  size_t shared = 0;
  while (shared < low.size() && low[shared] == high[shared]) ++shared;
  if (shared == low.size()) return builder.text(low);
  const size_t rest = low.size() - shared - 1;
  const int first = low[shared] - '0';
  const int last = high[shared] - '0';
  if (last - first > 1) {
    choices.push_back(
        builder.sequence({builder.text(low.substr(0, shared)), digit(builder, first + 1, last - 1),
                          digits_any(builder, rest)}));
  }
  // Those that begin like `low`, and like `high`: at every further place, a digit beyond theirs.
  for (const bool up : {true, false}) {
    const std::string_view bound = up ? low : high;
    choices.push_back(builder.text(bound));
    for (size_t at = shared + 1; at < bound.size(); ++at) {
      const int own = bound[at] - '0';
      if (up ? own == 9 : own == 0) continue;
      choices.push_back(
          builder.sequence({builder.text(bound.substr(0, at)),
                            up ? digit(builder, own + 1, 9) : digit(builder, 0, own - 1),
                            digits_any(builder, bound.size() - at - 1)}));
    }
  }
  return builder.choice(std::move(choices));
}

/// Numbers from `low` to `high` without a sign.
ExpressionId magnitudes(GrammarBuilder& builder, uint64_t low, uint64_t high) {
  const std::string lowest = std::to_string(low);
  const std::string highest = std::to_string(high);
  std::vector<ExpressionId> choices;
  for (size_t length = lowest.size(); length <= highest.size(); ++length) {
    std::string from(length, '0');
    from[0] = '1';
    if (length == lowest.size()) from = lowest;
    const std::string to = length == highest.size() ? highest : std::string(length, '9');
    choices.push_back(same_length(builder, from, to));
  }
  return builder.choice(std::move(choices));
}

uint64_t magnitude(int64_t value) {
  return value < 0 ? uint64_t{0} - static_cast<uint64_t>(value) : static_cast<uint64_t>(value);
}

}  // namespace

ExpressionId integer_range(GrammarBuilder& builder, std::optional<int64_t> low,
                           std::optional<int64_t> high) {
  std::vector<ExpressionId> choices;
  if (low && high && *low > *high) return builder.never();
  if (!low || *low < 0) {
    const uint64_t from = high && *high < 0 ? magnitude(*high) : 1;
    const uint64_t to = low ? magnitude(*low) : std::max(from, kWithoutEnd);
    choices.push_back(builder.sequence({builder.text("-"), magnitudes(builder, from, to)}));
  }
  if (!high || *high >= 0) {
    const uint64_t from = low && *low > 0 ? magnitude(*low) : 0;
    const uint64_t to = high ? magnitude(*high) : std::max(from, kWithoutEnd);
    choices.push_back(magnitudes(builder, from, to));
  }
  return builder.choice(std::move(choices));
}

}  // namespace freehold::model
