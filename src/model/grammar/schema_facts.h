#pragma once
// What is read of a schema before a grammar is made of it: where each part of the document stands,
// what references lead to, which kinds of values a part allows. Inside the folder only.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace freehold::model {

/// Kinds of JSON values, as bits.
enum JsonKind : unsigned {
  kNullKind = 1,
  kBooleanKind = 2,
  kNumberKind = 4,
  kStringKind = 8,
  kArrayKind = 16,
  kObjectKind = 32,
  kAllKinds = 63,
};

/// "string" to its bit; "integer" is kNumberKind. 0 for what is no name of a kind.
unsigned kind_named(std::string_view name);
unsigned kind_of(const base::JsonValue& value);
/// Equal as JSON Schema compares: numbers by value, members in any order.
bool json_equal(const base::JsonValue& a, const base::JsonValue& b);

/// A schema document with an address for every part.
class SchemaDocument {
 public:
  /// `root` outlives it.
  explicit SchemaDocument(const base::JsonValue& root);

  const base::JsonValue& root() const { return root_; }
  /// "#/properties/a" for messages.
  std::string where(const base::JsonValue& part) const;
  /// kRefused naming it for one that leads out of the document or nowhere.
  Result<const base::JsonValue*> resolve(const base::JsonValue& schema,
                                         std::string_view reference) const;
  /// kRefused: `keyword` of `schema`, with its place.
  Error refusal(const base::JsonValue& schema, std::string_view keyword,
                std::string_view why = "is not there yet") const;
  Error damage(const base::JsonValue& schema, std::string_view keyword,
               std::string_view wanted) const;

  /// Kinds that `schema`'s own `type`, `const` and `enum` allow.
  unsigned kinds(const base::JsonValue& schema) const;
  /// Whether no value can be of both; false where that is not plain to see.
  bool disjoint(const base::JsonValue& a, const base::JsonValue& b, int depth = 0) const;

 private:
  void walk(const base::JsonValue& part, const std::string& pointer);
  const base::JsonValue& target(const base::JsonValue& schema) const;

  const base::JsonValue& root_;
  std::unordered_map<const base::JsonValue*, std::string> pointers_;
  std::unordered_map<std::string, const base::JsonValue*> parts_;
  std::unordered_map<std::string, const base::JsonValue*> anchors_;
};

}  // namespace freehold::model
