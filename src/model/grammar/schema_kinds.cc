// What schemas say of strings, numbers, arrays and objects.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/grammar/decimal_range.h"
#include "model/grammar/schema_compiler.h"

namespace freehold::model {

using base::JsonMember;
using base::JsonValue;
using ExpressionId = GrammarBuilder::ExpressionId;
using RuleId = GrammarBuilder::RuleId;

namespace {

constexpr uint32_t kUnbounded = GrammarBuilder::kUnbounded;
/// Beyond it a bound says nothing about numbers of 16 digits.
constexpr double kBoundMax = 1e16;
/// Multiples between two bounds that are written one by one.
constexpr int64_t kMultiplesMax = 1000;
/// A rule for every remainder.
constexpr int64_t kRemaindersMax = 200;
/// Behind the first; 1 + 14 digits are exact in a double.
constexpr uint32_t kMultipleDigitsMax = 14;

/// At most 15 digits that make a multiple of `divisor`, the first not 0: a rule for what remains of
/// the digits so far and how many there may still be, since doubles tell no more apart.
ExpressionId multiples(GrammarBuilder& builder, int64_t divisor) {
  std::vector<RuleId> after;  // one digit fewer
  std::vector<ExpressionId> choices;
  for (uint32_t left = 0; left <= kMultipleDigitsMax; ++left) {
    std::vector<RuleId> rules;
    for (int64_t remainder = 0; remainder < divisor; ++remainder) {
      choices.clear();
      if (remainder == 0) choices.push_back(builder.nothing());
      for (int digit = 0; digit <= 9 && left > 0; ++digit) {
        const auto next = static_cast<size_t>((remainder * 10 + digit) % divisor);
        const auto byte = static_cast<uint8_t>('0' + digit);
        choices.push_back(builder.sequence({builder.bytes(byte, byte), builder.call(after[next])}));
      }
      rules.push_back(builder.new_rule("a multiple"));
      builder.define(rules.back(), builder.choice(choices));
    }
    after = std::move(rules);
  }
  choices.clear();
  for (int digit = 1; digit <= 9; ++digit) {
    const auto byte = static_cast<uint8_t>('0' + digit);
    choices.push_back(builder.sequence(
        {builder.bytes(byte, byte), builder.call(after[static_cast<size_t>(digit % divisor)])}));
  }
  return builder.choice(std::move(choices));
}

}  // namespace

Result<ExpressionId> SchemaCompiler::string_of(const Parts& parts) {
  const auto [min, max] = TRY(counts(parts, "minLength", "maxLength"));
  if (min > max) return builder_.never();
  std::vector<std::string_view> patterns;
  const JsonValue* from = nullptr;
  for (const Part& part : parts) {
    const JsonValue* pattern = part.schema->find("pattern");
    if (pattern != nullptr) {
      if (!pattern->is_string()) return document_.damage(*part.schema, "pattern", "a string");
      patterns.push_back(*pattern->as_string());
      from = part.schema;
    }
    const auto format = part.schema->find_string("format");
    if (!options_.as_meant || !format) continue;
    if (const auto known = format_pattern(*format)) {
      patterns.push_back(*known);
      from = part.schema;
    }
  }
  std::sort(patterns.begin(), patterns.end());
  patterns.erase(std::unique(patterns.begin(), patterns.end()), patterns.end());
  if (patterns.empty()) return json_.string(min, max);
  if (patterns.size() > 1) {
    return document_.refusal(*from, "pattern",
                             "beside another pattern or a format is not there yet");
  }
  auto parsed = pattern_text(builder_, json_, patterns[0]);
  if (!parsed.ok())
    return std::move(parsed).error().within(
        fmt::format("the schema at {}", document_.where(*from)));
  if (parsed->characters_min >= min && (max == kUnbounded || parsed->characters_max <= max)) {
    return json_.quoted(parsed->inside);
  }
  if (!parsed->unit) {
    return document_.refusal(*from, "pattern", "beside minLength or maxLength is not there yet");
  }
  const uint64_t least = std::max<uint64_t>(min, parsed->characters_min);
  const uint64_t most = std::min<uint64_t>(max, parsed->characters_max);
  if (least > most) return builder_.never();
  return json_.quoted(
      builder_.repeat(*parsed->unit, static_cast<uint32_t>(least), static_cast<uint32_t>(most)));
}

Result<ExpressionId> SchemaCompiler::number_of(const Parts& parts, bool integers) {
  NumberRules rules{.integers = integers};
  for (const Part& part : parts) TRY(read_number_rules(*part.schema, rules));
  if (rules.divisor > 1) return multiples_of(parts, rules);
  const bool bounded = rules.low || rules.high;
  if (!rules.integers) {
    if (!bounded) return json_.number();
    std::optional<DecimalBound> low;
    std::optional<DecimalBound> high;
    if (rules.low) low = decimal_bound(*rules.low, rules.low_open);
    if (rules.high) high = decimal_bound(*rules.high, rules.high_open);
    if ((rules.low && !low) || (rules.high && !high)) {
      return document_.refusal(*parts[0].schema, "minimum or maximum",
                               "of more than 16 digits is not there yet");
    }
    return decimal_range(builder_, low, high);
  }
  if (!bounded) return json_.integer();
  return integer_range(builder_, rules.lowest(), rules.highest());
}

std::optional<int64_t> SchemaCompiler::NumberRules::lowest() const {
  if (!low) return std::nullopt;
  const double whole = std::ceil(*low);
  return static_cast<int64_t>(whole) + (low_open && whole == *low ? 1 : 0);
}

std::optional<int64_t> SchemaCompiler::NumberRules::highest() const {
  if (!high) return std::nullopt;
  const double whole = std::floor(*high);
  return static_cast<int64_t>(whole) - (high_open && whole == *high ? 1 : 0);
}

Status SchemaCompiler::read_number_rules(const JsonValue& schema, NumberRules& rules) const {
  for (const std::string_view keyword :
       {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}) {
    const JsonValue* value = schema.find(keyword);
    if (value == nullptr) continue;
    const auto number = value->as_number();
    if (!number) return document_.damage(schema, keyword, "a number");
    const bool lower = keyword.ends_with("inimum");
    const bool open = keyword.starts_with("exclusive");
    if (lower ? *number <= -kBoundMax : *number >= kBoundMax) continue;
    if (lower ? *number >= kBoundMax : *number <= -kBoundMax) {
      return document_.refusal(schema, keyword, "leaves only numbers of more than 16 digits");
    }
    std::optional<double>& bound = lower ? rules.low : rules.high;
    bool& bound_open = lower ? rules.low_open : rules.high_open;
    const bool tighter = !bound || (lower ? *number > *bound : *number < *bound);
    if (tighter) {
      bound = number;
      bound_open = open;
    } else if (*number == *bound) {
      bound_open |= open;
    }
  }
  const JsonValue* multiple = schema.find("multipleOf");
  if (multiple == nullptr) return {};
  const auto number = multiple->as_number();
  if (!number || *number <= 0) return document_.damage(schema, "multipleOf", "a number above 0");
  if (std::floor(*number) != *number || *number > kBoundMax) {
    return document_.refusal(schema, "multipleOf",
                             "of a number that is not whole is not there yet");
  }
  const auto divisor = static_cast<int64_t>(*number);
  if (rules.divisor > 1 && rules.divisor != divisor && divisor != 1) {
    return document_.refusal(schema, "multipleOf", "beside another multipleOf is not there yet");
  }
  rules.integers = true;
  rules.divisor = std::max(rules.divisor, divisor);
  return {};
}

Result<ExpressionId> SchemaCompiler::multiples_of(const Parts& parts, const NumberRules& rules) {
  const auto low = rules.lowest();
  const auto high = rules.highest();
  const int64_t divisor = rules.divisor;
  if (low && high) {
    std::vector<ExpressionId> choices;
    int64_t value = *low / divisor * divisor;
    if (value < *low) value += divisor;
    for (; value <= *high && choices.size() <= kMultiplesMax; value += divisor) {
      choices.push_back(builder_.text(std::to_string(value)));
    }
    if (choices.size() <= kMultiplesMax) return builder_.choice(std::move(choices));
  }
  const bool from_zero = low && (*low == 0 || *low == 1);
  if (divisor > kRemaindersMax || high || (low && !from_zero)) {
    return document_.refusal(*parts[0].schema, "multipleOf", "with these bounds is not there yet");
  }
  const ExpressionId digits = multiples(builder_, divisor);
  if (low && *low == 1) return digits;
  const ExpressionId more =
      low ? digits : builder_.sequence({builder_.optional(builder_.text("-")), digits});
  return builder_.choice({builder_.text("0"), more});
}

Result<ExpressionId> SchemaCompiler::array_of(const Parts& parts) {
  auto [min, max] = TRY(counts(parts, "minItems", "maxItems"));
  size_t prefix = 0;
  for (const Part& part : parts) {
    const JsonValue* items = part.schema->find("items");
    if (items != nullptr && items->is_array()) {
      return document_.damage(*part.schema, "items", "one schema (a list is prefixItems)");
    }
    prefix = std::max(prefix, part.schema->find_elements("prefixItems").size());
  }
  const auto item_at = [&](size_t index) {
    Parts item;
    for (const Part& part : parts) {
      const auto list = part.schema->find_elements("prefixItems");
      const JsonValue* schema = part.schema->find("items");
      if (schema == nullptr) schema = part.schema->find("unevaluatedItems");
      if (index < list.size()) schema = &list[index];
      if (schema != nullptr) item.push_back({schema, 0});
    }
    return builder_.call(rule_of(std::move(item)));
  };
  if (min > max) return builder_.never();
  prefix = std::min<size_t>(prefix, max);
  const auto comma = [&] {
    return builder_.sequence({json_.space(), builder_.text(","), json_.space()});
  };
  if (prefix == 0) return json_.list("[", item_at(0), "]", min, max);
  // From the last to the first: each holds what may follow it.
  const auto first_more = static_cast<uint32_t>(prefix);
  ExpressionId tail = builder_.repeat(builder_.sequence({comma(), item_at(prefix)}),
                                      min > first_more ? min - first_more : 0,
                                      max == kUnbounded ? kUnbounded : max - first_more);
  for (size_t i = prefix; i-- > 0;) {
    const ExpressionId with = i == 0 ? builder_.sequence({item_at(i), tail, json_.space()})
                                     : builder_.sequence({comma(), item_at(i), tail});
    tail = i >= min ? builder_.optional(with) : with;
  }
  return builder_.sequence({builder_.text("["), json_.space(), tail, builder_.text("]")});
}

const JsonValue* SchemaCompiler::additional(const JsonValue& schema) const {
  const JsonValue* explicit_rule = schema.find("additionalProperties");
  return explicit_rule != nullptr ? explicit_rule : schema.find("unevaluatedProperties");
}

Result<std::vector<SchemaCompiler::Member>> SchemaCompiler::members_of(const Parts& parts) {
  std::vector<Member> members;
  const auto find = [&](std::string_view name) {
    return std::find_if(members.begin(), members.end(),
                        [&](const Member& member) { return member.name == name; });
  };
  for (const Part& part : parts) {
    const JsonValue* properties = part.schema->find("properties");
    if (properties == nullptr) continue;
    if (!properties->is_object()) return document_.damage(*part.schema, "properties", "an object");
    for (const JsonMember& property : properties->members()) {
      if (find(property.key) == members.end()) members.push_back({property.key});
    }
  }
  for (const Part& part : parts) {
    for (const JsonValue& name : part.schema->find_elements("required")) {
      if (!name.is_string()) return document_.damage(*part.schema, "required", "a list of names");
      if (find(*name.as_string()) == members.end()) members.push_back({*name.as_string()});
      find(*name.as_string())->required = true;
    }
  }
  for (Member& member : members) {
    Parts rules;
    for (const Part& part : parts) {
      const JsonValue* properties = part.schema->find("properties");
      const JsonValue* schema = properties == nullptr ? nullptr : properties->find(member.name);
      if (schema == nullptr) schema = additional(*part.schema);
      if (schema != nullptr) rules.push_back({schema, 0});
    }
    member.rule = rule_of(std::move(rules));
  }
  return members;
}

ExpressionId SchemaCompiler::member(ExpressionId name, RuleId rule) {
  return builder_.sequence(
      {name, json_.space(), builder_.text(":"), json_.space(), builder_.call(rule)});
}

Result<std::optional<ExpressionId>> SchemaCompiler::other_members(
    const Parts& parts, const std::vector<Member>& members) {
  Parts rules;
  const JsonValue* patterns = nullptr;
  bool open = members.empty() || !options_.as_meant;
  bool closed = false;
  for (const Part& part : parts) {
    const JsonValue* more = additional(*part.schema);
    if (more != nullptr) {
      open = true;
      closed |= more->as_bool() == false;
      rules.push_back({more, 0});
    }
    const JsonValue* list = part.schema->find("patternProperties");
    if (list == nullptr || list->members().empty()) continue;
    const bool alone = patterns == nullptr && list->members().size() == 1 && members.empty();
    if (!alone) {
      return document_.refusal(*part.schema, "patternProperties",
                               "beside other names or patterns is not there yet");
    }
    patterns = list;
  }
  if (patterns != nullptr) {
    if (!closed && !options_.as_meant) {
      return document_.refusal(*patterns, "patternProperties",
                               "without additionalProperties false is not there yet");
    }
    const JsonMember& only = patterns->members()[0];
    const TextExpression name = TRY(pattern_text(builder_, json_, only.key));
    return std::optional(member(json_.quoted(name.inside), rule_of({{&only.value, 0}})));
  }
  if (!open || closed) return std::optional<ExpressionId>();
  std::vector<std::string_view> names;
  for (const Member& known : members) names.push_back(known.name);
  return std::optional(member(json_.string_except(names), rule_of(std::move(rules))));
}

Result<ExpressionId> SchemaCompiler::object_of(const Parts& parts) {
  const auto [min, max] = TRY(counts(parts, "minProperties", "maxProperties"));
  const std::vector<Member> members = TRY(members_of(parts));
  const auto others = TRY(other_members(parts, members));
  const auto required = static_cast<uint32_t>(
      std::count_if(members.begin(), members.end(), [](const Member& m) { return m.required; }));
  if (min > max || required > max) return builder_.never();
  if (min > std::max(required, 1u)) {
    return document_.refusal(*parts[0].schema, "minProperties",
                             "beyond the required ones and 1 is not there yet");
  }
  if (members.size() > max) {
    return document_.refusal(*parts[0].schema, "maxProperties",
                             "below the number of properties is not there yet");
  }
  const uint32_t others_max =
      max == kUnbounded ? kUnbounded : max - static_cast<uint32_t>(members.size());
  return members_in_order(members, others, min > 0, others_max);
}

// A rule for every place in the order, once for "nothing was written yet" and once for "something
// was", so that commas come out right.
ExpressionId SchemaCompiler::members_in_order(const std::vector<Member>& members,
                                              std::optional<ExpressionId> others, bool not_empty,
                                              uint32_t others_max) {
  const auto comma = [&] {
    return builder_.sequence({json_.space(), builder_.text(","), json_.space()});
  };
  RuleId first = builder_.new_rule("the last members of an object");
  RuleId next = builder_.new_rule("the last members of an object");
  if (others && others_max > 0) {
    const RuleId other = builder_.new_rule("another member");
    builder_.define(other, *others);
    const uint32_t more = others_max == kUnbounded ? kUnbounded : others_max - 1;
    const ExpressionId some = builder_.sequence(
        {builder_.call(other),
         builder_.repeat(builder_.sequence({comma(), builder_.call(other)}), 0, more)});
    builder_.define(first, not_empty ? some : builder_.optional(some));
    builder_.define(
        next, builder_.repeat(builder_.sequence({comma(), builder_.call(other)}), 0, others_max));
  } else {
    builder_.define(first, not_empty ? builder_.never() : builder_.nothing());
    builder_.define(next, builder_.nothing());
  }
  for (size_t i = members.size(); i-- > 0;) {
    const Member& own = members[i];
    const auto written = [&] { return member(json_.literal(own.name), own.rule); };
    std::vector<ExpressionId> starting{builder_.sequence({written(), builder_.call(next)})};
    std::vector<ExpressionId> going_on{
        builder_.sequence({comma(), written(), builder_.call(next)})};
    if (!own.required) {
      starting.push_back(builder_.call(first));
      going_on.push_back(builder_.call(next));
    }
    first = builder_.new_rule("the first members of an object");
    next = builder_.new_rule("further members of an object");
    builder_.define(first, builder_.choice(std::move(starting)));
    builder_.define(next, builder_.choice(std::move(going_on)));
  }
  return builder_.sequence(
      {builder_.text("{"), json_.space(), builder_.call(first), json_.space(), builder_.text("}")});
}

}  // namespace freehold::model
