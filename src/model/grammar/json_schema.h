#pragma once
// JSON Schema 2020-12 to a grammar of JSON texts. Everything the grammar allows is valid; where
// it cannot be made to allow only that, the schema is refused, naming the keyword and its place.
// Members come in the order of `properties`. Not a validator of other people's documents.

#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "model/grammar/grammar.h"

namespace freehold::model {

struct JsonSchemaOptions {
  /// What a writer of schemas for models means, as the field's tools take it: a schema with
  /// `properties` and no `type` is of objects (likewise for other kinds), objects have no members
  /// but those named unless `additionalProperties` is there, and a `format` is kept to. False: by
  /// the letter of the specification.
  bool as_meant = true;
};

/// kRefused with a JSON pointer for what cannot be done exactly; kDamaged for what is no schema.
Result<Grammar> json_schema_grammar(const base::JsonValue& schema,
                                    const JsonSchemaOptions& options = {});

/// The same as a rule of a larger grammar. `schema` need not outlive the call.
Result<GrammarBuilder::RuleId> add_json_schema(GrammarBuilder& builder,
                                               const base::JsonValue& schema,
                                               const JsonSchemaOptions& options = {});

/// Any JSON object: what `json_object` asks for.
Grammar json_object_grammar();

}  // namespace freehold::model
