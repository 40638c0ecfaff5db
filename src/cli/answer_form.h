#pragma once
// What --schema, --grammar and --format ask of an answer's form.

#include <memory>

#include "cli/command.h"
#include "cli/options.h"
#include "model/grammar/token_masks.h"
#include "model/tokenizer/tokenizer.h"

namespace freehold::cli {

/// Masks for the grammar that was asked for; nullptr where none was. kUsage for two of them at
/// once; kNotFound for a file that is not there; otherwise as the parsers of model/grammar.
Result<std::shared_ptr<model::TokenMasks>> answer_masks(Context& context,
                                                        const Arguments& arguments,
                                                        const model::Tokenizer& tokenizer);

}  // namespace freehold::cli
