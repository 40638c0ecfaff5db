#pragma once
// The work behind json_schema.h. A rule is made for every set of schemas that must hold together
// (a schema with its allOf and what its $ref leads to); sets met again are the same rule, which is
// how recursion ends. Inside the folder only.

#include <map>
#include <vector>

#include "model/grammar/json_pattern.h"
#include "model/grammar/json_schema.h"
#include "model/grammar/json_text.h"
#include "model/grammar/schema_facts.h"

namespace freehold::model {

class SchemaCompiler {
 public:
  using ExpressionId = GrammarBuilder::ExpressionId;
  using RuleId = GrammarBuilder::RuleId;

  /// Both outlive it.
  SchemaCompiler(GrammarBuilder& builder, const SchemaDocument& document,
                 const JsonSchemaOptions& options)
      : builder_(builder), json_(builder), document_(document), options_(options) {}

  /// The rule of the whole document.
  Result<RuleId> compile();

 private:
  /// A schema and which of its keywords were dealt with on the way.
  struct Part {
    const base::JsonValue* schema;
    unsigned done = 0;
    auto operator<=>(const Part&) const = default;
  };
  using Parts = std::vector<Part>;  // sorted, each once
  enum Done : unsigned { kReference = 1, kAllOf = 2, kAnyOf = 4, kOneOf = 8 };

  /// Writes the rules that were named so far and what they name.
  Status finish();
  /// The rule of values that fit all of `parts`; its text follows later.
  RuleId rule_of(Parts parts);
  Result<ExpressionId> body_of(Parts parts);
  Status check_keywords(const base::JsonValue& schema) const;
  /// Puts what $ref and allOf name beside their schemas. False: nothing fits.
  Result<bool> flatten(Parts& parts) const;
  /// The first anyOf or oneOf as a choice of its branches; nothing where there is none.
  Result<std::optional<ExpressionId>> branches(const Parts& parts);
  Status check_one_of(const base::JsonValue& schema) const;

  Result<unsigned> kinds_of(const Parts& parts, bool& integers) const;
  Result<std::optional<ExpressionId>> listed_values(const Parts& parts, unsigned kinds,
                                                    bool integers);
  /// What stands beside enum and const; nothing where it adds no rule.
  Result<std::optional<Grammar>> rules_beside_list(const Parts& parts, unsigned kinds,
                                                   bool integers) const;
  Result<ExpressionId> of_kinds(const Parts& parts, unsigned kinds, bool integers);
  Result<ExpressionId> string_of(const Parts& parts);
  Result<ExpressionId> number_of(const Parts& parts, bool integers);
  struct NumberRules {
    bool integers = false;
    std::optional<double> low{};
    std::optional<double> high{};
    bool low_open = false;  // the bound itself is outside
    bool high_open = false;
    int64_t divisor = 1;
    std::optional<int64_t> lowest() const;  // of integers
    std::optional<int64_t> highest() const;
  };
  Status read_number_rules(const base::JsonValue& schema, NumberRules& rules) const;
  Result<ExpressionId> multiples_of(const Parts& parts, const NumberRules& rules);
  Result<ExpressionId> array_of(const Parts& parts);
  Result<ExpressionId> object_of(const Parts& parts);

  struct Member {
    std::string_view name;
    bool required = false;
    RuleId rule{};
  };
  Result<std::vector<Member>> members_of(const Parts& parts);
  /// One member with any other name; nothing where there may be none.
  Result<std::optional<ExpressionId>> other_members(const Parts& parts,
                                                    const std::vector<Member>& members);
  /// What `schema` says of a member that is not among its properties; nullptr: nothing.
  const base::JsonValue* additional(const base::JsonValue& schema) const;
  ExpressionId members_in_order(const std::vector<Member>& members,
                                std::optional<ExpressionId> others, bool not_empty,
                                uint32_t others_max);
  ExpressionId member(ExpressionId name, RuleId rule);

  Result<std::optional<uint64_t>> count(const base::JsonValue& schema,
                                        std::string_view keyword) const;
  Result<std::pair<uint32_t, uint32_t>> counts(const Parts& parts, std::string_view least,
                                               std::string_view most) const;

  GrammarBuilder& builder_;
  JsonText json_;
  const SchemaDocument& document_;
  JsonSchemaOptions options_;
  std::map<Parts, RuleId> rules_;
  std::vector<std::pair<Parts, RuleId>> waiting_;
};

}  // namespace freehold::model
