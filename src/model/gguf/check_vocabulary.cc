#include <fmt/format.h>

#include "model/gguf/parse_file.h"

namespace freehold::model {

namespace {

Error wrong(std::string_view key, const std::string& message) {
  return Error{ErrorCode::kDamaged, fmt::format("key {} {}", quoted(key), message),
               "The vocabulary contradicts itself. Fetch the file again from its publisher."};
}

Status check_special_id(const Metadata& metadata, std::string_view key, uint64_t tokens) {
  const auto id = metadata.find_unsigned(key);
  if (!id) return wrong(key, "is not a token id: " + metadata.describe(key));
  if (*id >= tokens) {
    return wrong(key, fmt::format("is {}, but the vocabulary has {} tokens", *id, tokens));
  }
  return {};
}

// An array beside the tokens: numbers, one for each token.
Status check_parallel(const Metadata& metadata, std::string_view key, uint64_t tokens) {
  if (!metadata.contains(key)) return {};
  const auto type = metadata.array_type(key);
  if (!type || type == ValueType::kString || type == ValueType::kBool) {
    return wrong(key, "is not an array of numbers: " + metadata.describe(key));
  }
  const auto size = metadata.array_size(key);
  if (*size != tokens) {
    return wrong(key, fmt::format("has {} elements for {} tokens", *size, tokens));
  }
  return {};
}

Status check_strings(const Metadata& metadata, std::string_view key) {
  if (!metadata.contains(key) || metadata.array_type(key) == ValueType::kString) return {};
  return wrong(key, "is not an array of strings: " + metadata.describe(key));
}

}  // namespace

Status check_vocabulary(const Metadata& metadata) {
  constexpr std::string_view kTokens = "tokenizer.ggml.tokens";
  constexpr std::string_view kTemplate = "tokenizer.chat_template";
  if (metadata.contains(kTemplate) && !metadata.find_string(kTemplate)) {
    return wrong(kTemplate, "is not a string: " + metadata.describe(kTemplate));
  }
  TRY(check_strings(metadata, "tokenizer.ggml.merges"));
  if (!metadata.contains(kTokens)) return {};
  TRY(check_strings(metadata, kTokens));
  const uint64_t tokens = metadata.array_size(kTokens).value_or(0);
  if (tokens == 0) return wrong(kTokens, "is empty");
  // Token ids are int32 here and in every other program that reads the file.
  if (tokens > static_cast<uint64_t>(INT32_MAX)) {
    return wrong(kTokens, fmt::format("has {} tokens, more than 31 bits can count", tokens));
  }
  TRY(check_parallel(metadata, "tokenizer.ggml.scores", tokens));
  TRY(check_parallel(metadata, "tokenizer.ggml.token_type", tokens));
  for (const std::string_view key : metadata.keys()) {
    if (key.starts_with("tokenizer.ggml.") && key.ends_with("_token_id")) {
      TRY(check_special_id(metadata, key, tokens));
    }
  }
  return {};
}

}  // namespace freehold::model
