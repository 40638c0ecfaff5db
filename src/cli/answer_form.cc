#include "cli/answer_form.h"

#include <fmt/format.h>

#include <optional>

#include "base/json.h"
#include "base/text.h"
#include "model/grammar/gbnf.h"
#include "model/grammar/json_schema.h"

namespace freehold::cli {

namespace {

constexpr uint64_t kBytesMax = 1u << 20;

/// `given` itself where it is JSON, else the file of that name.
Result<model::Grammar> schema_grammar(Context& context, const std::string& given) {
  const std::string text = base::trimmed(given, " \t\r\n").starts_with('{')
                               ? given
                               : TRY(io::read_small_file(context.files, given, kBytesMax));
  auto schema = base::JsonValue::parse(text);
  if (!schema.ok()) return std::move(schema).error().within("--schema");
  auto grammar = model::json_schema_grammar(*schema);
  if (!grammar.ok()) return std::move(grammar).error().within("--schema");
  return grammar;
}

Result<model::Grammar> grammar_of(Context& context, const Arguments& arguments) {
  if (const auto schema = arguments.text("--schema")) return schema_grammar(context, *schema);
  if (const auto file = arguments.text("--grammar")) {
    return model::parse_gbnf(TRY(io::read_small_file(context.files, *file, kBytesMax)));
  }
  const std::string format = arguments.text_or("--format", "");
  if (format == "json") return model::json_object_grammar();
  return Error{ErrorCode::kUsage, fmt::format("--format is {}", base::printable(format)),
               "it is json; a schema goes to --schema"};
}

}  // namespace

Result<std::shared_ptr<model::TokenMasks>> answer_masks(Context& context,
                                                        const Arguments& arguments,
                                                        const model::Tokenizer& tokenizer) {
  int asked = 0;
  for (const std::string_view option : {"--schema", "--grammar", "--format"}) {
    asked += arguments.has(option) ? 1 : 0;
  }
  if (asked == 0) return std::shared_ptr<model::TokenMasks>();
  if (asked > 1) {
    return Error{ErrorCode::kUsage, "--schema, --grammar and --format exclude each other",
                 "give one of them"};
  }
  auto grammar = std::make_shared<model::Grammar>(TRY(grammar_of(context, arguments)));
  auto vocabulary = std::make_shared<model::GrammarVocabulary>(tokenizer);
  return std::make_shared<model::TokenMasks>(std::move(grammar), std::move(vocabulary));
}

}  // namespace freehold::cli
