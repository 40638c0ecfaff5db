// The one place that reads a vocabulary out of a file's metadata.

#include <fmt/format.h>

#include "model/tokenizer/create.h"
#include "model/tokenizer/tokenizer.h"
#include "model/tokenizer/vocabulary.h"

namespace freehold::model {
namespace {

Error damaged(std::string what) {
  return Error{
      ErrorCode::kDamaged, "tokenizer: " + std::move(what),
      "The file's vocabulary is not consistent; fetch the model again or convert it anew."};
}

/// An optional array: empty where the key is missing, kDamaged where it has another type.
template <class T>
Result<std::vector<T>> optional_array(const Metadata& metadata, std::string_view key,
                                      std::optional<std::vector<T>> found) {
  if (found.has_value()) return *std::move(found);
  if (metadata.contains(key)) {
    return damaged(fmt::format("'{}' has the wrong type ({})", key, metadata.describe(key)));
  }
  return std::vector<T>{};
}

}  // namespace

Result<Vocabulary> read_vocabulary(const Metadata& metadata) {
  Vocabulary vocabulary;
  const auto model = metadata.find_string("tokenizer.ggml.model");
  if (!model.has_value() || !metadata.contains("tokenizer.ggml.tokens")) {
    return Error{ErrorCode::kNotFound, "the model file has no tokenizer",
                 "Give tokens instead of text, or use a file that carries its vocabulary."};
  }
  vocabulary.model = *model;
  vocabulary.pre = metadata.find_string("tokenizer.ggml.pre").value_or("");
  vocabulary.tokens = TRY(optional_array(metadata, "tokenizer.ggml.tokens",
                                         metadata.find_strings("tokenizer.ggml.tokens")));
  vocabulary.scores = TRY(optional_array(metadata, "tokenizer.ggml.scores",
                                         metadata.find_floats("tokenizer.ggml.scores")));
  vocabulary.types = TRY(optional_array(metadata, "tokenizer.ggml.token_type",
                                        metadata.find_integers("tokenizer.ggml.token_type")));
  // Files of the other kinds may list merges too; scores decide there.
  if (vocabulary.model == "gpt2" || vocabulary.model == "gemma4") {
    if (!metadata.contains("tokenizer.ggml.merges")) {
      return damaged("a vocabulary of this kind needs 'tokenizer.ggml.merges'");
    }
    vocabulary.merges = TRY(optional_array(metadata, "tokenizer.ggml.merges",
                                           metadata.find_strings("tokenizer.ggml.merges")));
  }
  vocabulary.bos = metadata.find_unsigned("tokenizer.ggml.bos_token_id");
  vocabulary.eos = metadata.find_unsigned("tokenizer.ggml.eos_token_id");
  vocabulary.eot = metadata.find_unsigned("tokenizer.ggml.eot_token_id");
  vocabulary.eom = metadata.find_unsigned("tokenizer.ggml.eom_token_id");
  vocabulary.unknown = metadata.find_unsigned("tokenizer.ggml.unknown_token_id");
  vocabulary.padding = metadata.find_unsigned("tokenizer.ggml.padding_token_id");
  vocabulary.separator = metadata.find_unsigned("tokenizer.ggml.seperator_token_id");
  vocabulary.mask = metadata.find_unsigned("tokenizer.ggml.mask_token_id");
  vocabulary.cls = metadata.find_unsigned("tokenizer.ggml.cls_token_id");
  vocabulary.adds_eos = metadata.find_bool("tokenizer.ggml.add_eos_token");
  vocabulary.adds_bos = metadata.find_bool("tokenizer.ggml.add_bos_token");
  vocabulary.lower_case = metadata.find_bool("tokenizer.ggml.normalizer.lowercase");
  vocabulary.strips_accents = metadata.find_bool("tokenizer.ggml.normalizer.strip_accents");
  vocabulary.adds_space_prefix = metadata.find_bool("tokenizer.ggml.add_space_prefix");
  vocabulary.removes_extra_spaces = metadata.find_bool("tokenizer.ggml.remove_extra_whitespaces");
  const auto charsmap =
      TRY(optional_array(metadata, "tokenizer.ggml.precompiled_charsmap",
                         metadata.find_integers("tokenizer.ggml.precompiled_charsmap")));
  for (const int64_t byte : charsmap) {
    if (byte < -128 || byte > 255) return damaged("the character map does not consist of bytes");
    vocabulary.charsmap.push_back(static_cast<char>(byte));
  }
  return vocabulary;
}

Result<std::unique_ptr<Tokenizer>> Tokenizer::create(const Metadata& metadata) {
  const Vocabulary vocabulary = TRY(read_vocabulary(metadata));
  return create_tokenizer(vocabulary);
}

}  // namespace freehold::model
