#pragma once
// What `embed` and `rerank` share: where their texts come from, and a model made ready to turn
// texts into vectors or scores.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/session.h"
#include "model/tokenizer/framing.h"
#include "runtime/engine/embedder.h"

namespace freehold::cli {

inline constexpr Option kFileOption{"--file", 'f', OptionKind::kText, "FILE",
                                    "take one text from each line of FILE; -: standard input"};

/// Texts after the first `skipped` words, or the lines of --file, or of standard input where the
/// only word is "-". kUsage where there are none or two sources.
Result<std::vector<std::string>> read_texts(Context& context, const Arguments& arguments,
                                            size_t skipped);

/// A model for texts; loaded in two steps, since how much memory it wants depends on the texts.
struct TextModel {
  std::unique_ptr<Machine> machine;
  std::unique_ptr<runtime::Model> model;
  std::unique_ptr<model::Tokenizer> tokenizer;

  static Result<TextModel> open(Context& context, const Arguments& arguments);
};

struct EmbedRequest {
  model::Pooling pooling = model::Pooling::kMean;
  bool normalise = true;
  uint32_t dimensions = 0;
};

/// Loads the weights by --memory and runs all `texts`; `sink` gets each one's values in order.
/// kRefused, before anything is loaded, for a text that is longer than the model takes.
Status embed_texts(Context& context, const Arguments& arguments, TextModel& text_model,
                   const EmbedRequest& request, const std::vector<model::FramedText>& texts,
                   const std::function<Status(size_t, std::span<const float>)>& sink);

}  // namespace freehold::cli
