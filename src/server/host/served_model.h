#pragma once
// What is known of a model without its weights: its tokenizer, template, limits and defaults.
// Enough to check a request and make its prompt. Immutable; any thread.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/prompt/prompt.h"
#include "runtime/engine/model.h"
#include "runtime/sampler/sampler.h"
#include "store/store.h"

namespace freehold::server {

struct ServedModel {
  std::string name;      // as it was asked for
  std::string path;      // of its file, or of the first shard
  std::string identity;  // runtime::Model::identity()
  store::ModelSettings settings;
  std::unique_ptr<runtime::Model> header;  // without weights
  std::unique_ptr<model::Tokenizer> tokenizer;
  std::optional<model::PromptMaker> prompts;
  // Defaults of a request: the file's, then the name's.
  runtime::SamplingOptions sampling;
  std::vector<std::string> stops;
  uint64_t tokens_max = 0;
  std::optional<uint64_t> seed;
  uint64_t context = 0;  // most tokens of one request

  /// The blob's hash where the store knows it; empty where it does not.
  std::string sha256() const;
  /// The tokens of a conversation: the name's own system prompt and first messages come first,
  /// unless the conversation brings a system prompt.
  Result<model::Prompt> prompt(model::ChatInput input) const;
};

/// Errors as of Model::open() and Tokenizer::create(). `context` caps the model's own.
Result<std::shared_ptr<const ServedModel>> open_served_model(io::FileSystem& files,
                                                             const std::string& name,
                                                             store::FoundModel found,
                                                             uint64_t context);

}  // namespace freehold::server
