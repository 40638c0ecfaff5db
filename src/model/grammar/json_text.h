#pragma once
// JSON's texts as expressions: white space, strings, numbers, any value. What schemas are made of
// (json_schema.h). One builder, one object of this.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "model/grammar/grammar.h"

namespace freehold::model {

class JsonText {
 public:
  using ExpressionId = GrammarBuilder::ExpressionId;
  using RuleId = GrammarBuilder::RuleId;

  /// `builder` outlives it.
  explicit JsonText(GrammarBuilder& builder);

  /// Between the tokens of JSON: nothing, a blank, or a new line with some indentation. Bounded, so
  /// that a model cannot fill its answer with it.
  ExpressionId space() { return builder_.call(space_); }
  /// One character inside a string, however it is written; never half a surrogate pair.
  ExpressionId character() { return builder_.call(character_); }
  /// A character of `ranges`, written in the one way that JSON writers use.
  ExpressionId character_of(std::span<const RuneRange> ranges);
  ExpressionId quoted(ExpressionId inside);
  /// Any string of `min` to `max` characters.
  ExpressionId string(uint32_t min, uint32_t max);
  /// `value` as it is, members in its order; with space() between its tokens.
  ExpressionId value(const base::JsonValue& value);
  /// `text` as a JSON string.
  ExpressionId literal(std::string_view text);
  /// Any string but `texts`, each written in the one way that JSON writers use.
  ExpressionId string_except(std::span<const std::string_view> texts);
  /// Any number; numbers of no more digits than a double tells apart.
  ExpressionId integer();
  ExpressionId number();
  ExpressionId any_value() { return builder_.call(any_); }
  ExpressionId any_object() { return builder_.call(any_object_); }
  ExpressionId any_array() { return builder_.call(any_array_); }
  /// `open` items, with commas between them, `close`; any number of them from `min` to `max`.
  ExpressionId list(std::string_view open, ExpressionId item, std::string_view close, uint32_t min,
                    uint32_t max);

 private:
  void define_any();
  RuleId except_rule(std::span<const std::u32string> texts, size_t depth);

  GrammarBuilder& builder_;
  RuleId space_, character_, any_, any_object_, any_array_, any_string_;
};

/// `value` as one line.
std::string written_json(const base::JsonValue& value);

/// Exactly the integers from `low` to `high` (nothing: without end), as JSON writes them.
GrammarBuilder::ExpressionId integer_range(GrammarBuilder& builder, std::optional<int64_t> low,
                                           std::optional<int64_t> high);

}  // namespace freehold::model
