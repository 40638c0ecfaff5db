#include "model/grammar/json_schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "model/grammar/matcher.h"
#include "model/grammar/schema_compiler.h"

namespace freehold::model {

using base::JsonMember;
using base::JsonValue;
using ExpressionId = GrammarBuilder::ExpressionId;
using RuleId = GrammarBuilder::RuleId;

namespace {

constexpr size_t kPartsMax = 64;  // that must hold together
constexpr uint32_t kUnbounded = GrammarBuilder::kUnbounded;

/// Keywords that can forbid a value and that no rule here takes into account.
constexpr std::string_view kRefusedKeywords[] = {
    "not",           "if",          "then",         "else",        "dependentSchemas",
    "uniqueItems",   "contains",    "minContains",  "maxContains", "dependentRequired",
    "propertyNames", "$dynamicRef", "$recursiveRef"};

}  // namespace

Result<RuleId> SchemaCompiler::compile() {
  const RuleId root = rule_of({{&document_.root(), 0}});
  TRY(finish());
  return root;
}

// Rules that a rule names are made after it, so nothing recurses.
Status SchemaCompiler::finish() {
  while (!waiting_.empty()) {
    auto [parts, rule] = std::move(waiting_.back());
    waiting_.pop_back();
    builder_.define(rule, TRY(body_of(std::move(parts))));
    if (builder_.full()) {
      return document_.refusal(document_.root(), "it", "needs more rules than are allowed");
    }
  }
  return {};
}

RuleId SchemaCompiler::rule_of(Parts parts) {
  std::sort(parts.begin(), parts.end());
  parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
  std::erase_if(parts, [](const Part& part) { return part.schema->as_bool() == true; });
  const auto found = rules_.find(parts);
  if (found != rules_.end()) return found->second;
  const RuleId rule = builder_.new_rule(
      parts.empty() ? "any value"
                    : fmt::format("the schema at {}", document_.where(*parts[0].schema)));
  rules_.emplace(parts, rule);
  waiting_.emplace_back(std::move(parts), rule);
  return rule;
}

Status SchemaCompiler::check_keywords(const JsonValue& schema) const {
  for (const std::string_view keyword : kRefusedKeywords) {
    const JsonValue* value = schema.find(keyword);
    if (value == nullptr) continue;
    const bool says_nothing =
        (keyword == "uniqueItems" && value->as_bool() == false) ||
        ((keyword == "then" || keyword == "else") && schema.find("if") == nullptr) ||
        (keyword == "if" && schema.find("then") == nullptr && schema.find("else") == nullptr) ||
        ((keyword == "minContains" || keyword == "maxContains") &&
         schema.find("contains") == nullptr) ||
        (keyword == "not" && value->as_bool() == false) ||
        ((keyword == "dependentRequired" || keyword == "dependentSchemas") && value->is_object() &&
         value->members().empty()) ||
        (keyword == "propertyNames" && value->as_bool() == true);
    if (!says_nothing) return document_.refusal(schema, keyword);
  }
  for (const std::string_view keyword : {"unevaluatedProperties", "unevaluatedItems"}) {
    const JsonValue* value = schema.find(keyword);
    if (value == nullptr || value->as_bool() == true) continue;
    for (const std::string_view other : {"$ref", "allOf", "anyOf", "oneOf", "if"}) {
      if (schema.find(other) != nullptr) {
        return document_.refusal(schema, keyword, fmt::format("beside {} is not there yet", other));
      }
    }
  }
  return {};
}

Result<bool> SchemaCompiler::flatten(Parts& parts) const {
  for (size_t i = 0; i < parts.size(); ++i) {
    const JsonValue& schema = *parts[i].schema;
    if (schema.as_bool() == false) return false;
    if (!schema.is_object() && !schema.as_bool()) {
      return document_.damage(schema, "it", "an object or a boolean");
    }
    if (parts[i].done == 0) TRY(check_keywords(schema));
    const auto add = [&](const JsonValue& more) {
      if (std::none_of(parts.begin(), parts.end(),
                       [&](const Part& part) { return part.schema == &more; })) {
        parts.push_back({&more, 0});
      }
    };
    if ((parts[i].done & kReference) == 0) {
      parts[i].done |= kReference;
      if (const JsonValue* reference = schema.find("$ref")) {
        if (!reference->is_string()) return document_.damage(schema, "$ref", "a string");
        add(*TRY(document_.resolve(schema, *reference->as_string())));
      }
    }
    if ((parts[i].done & kAllOf) == 0) {
      parts[i].done |= kAllOf;
      for (const JsonValue& more : schema.find_elements("allOf")) add(more);
    }
    if (parts.size() > kPartsMax) {
      return document_.refusal(schema, "allOf",
                               fmt::format("joins more than {} schemas", kPartsMax));
    }
  }
  return true;
}

Status SchemaCompiler::check_one_of(const JsonValue& schema) const {
  const auto list = schema.find_elements("oneOf");
  for (size_t i = 0; i < list.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (!document_.disjoint(list[i], list[j])) {
        return document_.refusal(
            schema, "oneOf",
            fmt::format("has branches {} and {} that a value could be of both of", j, i));
      }
    }
  }
  return {};
}

Result<std::optional<ExpressionId>> SchemaCompiler::branches(const Parts& parts) {
  for (size_t i = 0; i < parts.size(); ++i) {
    const JsonValue& schema = *parts[i].schema;
    for (const Done which : {kAnyOf, kOneOf}) {
      const std::string_view keyword = which == kAnyOf ? "anyOf" : "oneOf";
      if ((parts[i].done & which) != 0 || schema.find(keyword) == nullptr) continue;
      const auto list = schema.find_elements(keyword);
      if (list.empty()) return document_.damage(schema, keyword, "a list of schemas");
      if (which == kOneOf) TRY(check_one_of(schema));
      std::vector<ExpressionId> choices;
      for (const JsonValue& branch : list) {
        Parts with = parts;
        with[i].done |= which;
        with.push_back({&branch, 0});
        choices.push_back(builder_.call(rule_of(std::move(with))));
      }
      return std::optional(builder_.choice(std::move(choices)));
    }
  }
  return std::optional<ExpressionId>();
}

Result<ExpressionId> SchemaCompiler::body_of(Parts parts) {
  if (!TRY(flatten(parts))) return builder_.never();
  std::erase_if(parts, [](const Part& part) { return part.schema->as_bool() == true; });
  if (parts.empty()) return json_.any_value();
  if (const auto choice = TRY(branches(parts))) return *choice;
  bool integers = false;
  const unsigned kinds = TRY(kinds_of(parts, integers));
  if (const auto listed = TRY(listed_values(parts, kinds, integers))) return *listed;
  return of_kinds(parts, kinds, integers);
}

Result<unsigned> SchemaCompiler::kinds_of(const Parts& parts, bool& integers) const {
  unsigned kinds = kAllKinds;
  unsigned meant = 0;
  bool typed = false;
  for (const Part& part : parts) {
    const JsonValue& schema = *part.schema;
    if (const JsonValue* type = schema.find("type")) {
      typed = true;
      unsigned allowed = 0;
      bool real = false;
      const auto add = [&](const JsonValue& name) {
        const unsigned kind = kind_named(name.as_string().value_or(""));
        real |= name.as_string() == "number";
        allowed |= kind;
        return kind != 0;
      };
      bool sound = type->is_string() ? add(*type) : type->is_array();
      for (const JsonValue& name : type->elements()) sound = add(name) && sound;
      if (!sound) return document_.damage(schema, "type", "the name of a kind, or a list of them");
      integers |= (allowed & kNumberKind) != 0 && !real;
      kinds &= allowed;
    }
    const auto means = [&](unsigned kind, std::initializer_list<std::string_view> keywords) {
      for (const std::string_view keyword : keywords) {
        if (schema.find(keyword) != nullptr) meant |= kind;
      }
    };
    means(kObjectKind, {"properties", "required", "additionalProperties", "patternProperties"});
    means(kArrayKind, {"items", "prefixItems", "minItems", "maxItems"});
    means(kStringKind, {"minLength", "maxLength", "pattern", "format"});
    means(kNumberKind,
          {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"});
    typed |= schema.find("enum") != nullptr || schema.find("const") != nullptr;
  }
  return options_.as_meant && !typed && meant != 0 ? kinds & meant : kinds;
}

Result<std::optional<Grammar>> SchemaCompiler::rules_beside_list(const Parts& parts, unsigned kinds,
                                                                 bool integers) const {
  bool adds = false;
  for (const Part& part : parts) {
    for (const std::string_view keyword :
         {"minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum",
          "exclusiveMaximum", "multipleOf", "items", "prefixItems", "minItems", "maxItems",
          "properties", "required", "additionalProperties", "patternProperties", "minProperties",
          "maxProperties"}) {
      adds |= part.schema->find(keyword) != nullptr;
    }
  }
  if (!adds) return std::optional<Grammar>();
  GrammarBuilder builder;
  SchemaCompiler rest(builder, document_, options_);
  const RuleId rule = builder.new_rule("what stands beside enum");
  builder.define(rule, TRY(rest.of_kinds(parts, kinds, integers)));
  TRY(rest.finish());
  return std::optional(TRY(builder.build(rule)));
}

Result<std::optional<ExpressionId>> SchemaCompiler::listed_values(const Parts& parts,
                                                                  unsigned kinds, bool integers) {
  std::vector<std::vector<const JsonValue*>> lists;
  for (const Part& part : parts) {
    if (const JsonValue* only = part.schema->find("const")) lists.push_back({only});
    const JsonValue* list = part.schema->find("enum");
    if (list == nullptr) continue;
    if (!list->is_array()) return document_.damage(*part.schema, "enum", "a list");
    lists.emplace_back();
    for (const JsonValue& value : list->elements()) lists.back().push_back(&value);
  }
  if (lists.empty()) return std::optional<ExpressionId>();
  const auto beside = TRY(rules_beside_list(parts, kinds, integers));
  std::vector<ExpressionId> choices;
  for (const JsonValue* value : lists[0]) {
    const bool in_all = std::all_of(lists.begin(), lists.end(), [&](const auto& list) {
      return std::any_of(list.begin(), list.end(),
                         [&](const JsonValue* other) { return json_equal(*value, *other); });
    });
    if (!in_all || (kind_of(*value) & kinds) == 0) continue;
    if (value->is_number() && integers && std::floor(*value->as_number()) != *value->as_number()) {
      continue;
    }
    if (beside) {
      if (value->is_object() || value->is_array()) {
        return document_.refusal(*parts[0].schema, "enum or const",
                                 "with objects or arrays beside further rules is not there yet");
      }
      if (!TRY(grammar_accepts(*beside, written_json(*value)))) continue;
    }
    choices.push_back(json_.value(*value));
  }
  return std::optional(builder_.choice(std::move(choices)));
}

Result<ExpressionId> SchemaCompiler::of_kinds(const Parts& parts, unsigned kinds, bool integers) {
  std::vector<ExpressionId> choices;
  if ((kinds & kNullKind) != 0) choices.push_back(builder_.text("null"));
  if ((kinds & kBooleanKind) != 0) {
    choices.push_back(builder_.text("true"));
    choices.push_back(builder_.text("false"));
  }
  if ((kinds & kNumberKind) != 0) choices.push_back(TRY(number_of(parts, integers)));
  if ((kinds & kStringKind) != 0) choices.push_back(TRY(string_of(parts)));
  if ((kinds & kArrayKind) != 0) choices.push_back(TRY(array_of(parts)));
  if ((kinds & kObjectKind) != 0) choices.push_back(TRY(object_of(parts)));
  return builder_.choice(std::move(choices));
}

Result<std::optional<uint64_t>> SchemaCompiler::count(const JsonValue& schema,
                                                      std::string_view keyword) const {
  const JsonValue* value = schema.find(keyword);
  if (value == nullptr) return std::optional<uint64_t>();
  const auto number = value->as_number();
  if (!number || *number < 0 || std::floor(*number) != *number) {
    return document_.damage(schema, keyword, "a whole number from 0");
  }
  return std::optional(*number >= 4e9 ? uint64_t{kUnbounded} : static_cast<uint64_t>(*number));
}

Result<std::pair<uint32_t, uint32_t>> SchemaCompiler::counts(const Parts& parts,
                                                             std::string_view least,
                                                             std::string_view most) const {
  std::pair<uint32_t, uint32_t> out{0, kUnbounded};
  for (const Part& part : parts) {
    const auto low = TRY(count(*part.schema, least));
    const auto high = TRY(count(*part.schema, most));
    if (low) out.first = std::max(out.first, static_cast<uint32_t>(*low));
    if (high) out.second = std::min(out.second, static_cast<uint32_t>(*high));
  }
  return out;
}

Result<RuleId> add_json_schema(GrammarBuilder& builder, const JsonValue& schema,
                               const JsonSchemaOptions& options) {
  const SchemaDocument document(schema);
  return SchemaCompiler(builder, document, options).compile();
}

Result<Grammar> json_schema_grammar(const JsonValue& schema, const JsonSchemaOptions& options) {
  GrammarBuilder builder;
  const RuleId root = TRY(add_json_schema(builder, schema, options));
  return builder.build(root);
}

Grammar json_object_grammar() {
  GrammarBuilder builder;
  JsonText json(builder);
  const RuleId root = builder.rule("root");
  builder.define(root, json.any_object());
  return MUST(builder.build(root));
}

}  // namespace freehold::model
