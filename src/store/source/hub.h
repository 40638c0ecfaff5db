#pragma once
// Repositories of the Hugging Face hub, or of a mirror of it (HF_ENDPOINT): which file of a
// repository is meant, and what it must be. The token (HF_TOKEN, HUGGING_FACE_HUB_TOKEN) goes to
// that host only.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/source/ask.h"
#include "store/source/reference.h"
#include "store/source/source.h"

namespace freehold::store {

/// One file of a repository's listing.
struct HubFile {
  std::string path;
  uint64_t bytes = 0;
  std::string sha256;  ///< empty for files outside the large-file storage
};

/// Reads one page of a listing; entries that are no files, or whose paths are none, are left out.
/// kDamaged where it is no listing or a hash is none.
Status parse_tree(const base::JsonValue& page, std::vector<HubFile>& files);

/// The index of the file that is meant: `file` by its path; else the model whose path holds
/// `quant` before '-' or '.' (any case); without one Q4_K_M, Q8_0, or the first model. That is what
/// llama.cpp takes. kNotFound with what there is, kUsage where several fit `quant`, kRefused for a
/// model that is split into shards.
Result<size_t> choose_file(std::span<const HubFile> files, std::string_view file,
                           std::string_view quant, const std::string& repository);

/// How many files the model that `path` belongs to is split into ("NAME-00001-of-00003.gguf"); else
/// 1. A shard alone is no model, and the store keeps a model in one file.
uint64_t shards_of(std::string_view path);
/// kRefused where that is more than one, with `also` as a further hint.
Status refuse_shard(std::string_view path, const std::string& also);

/// "Q4_K_M" of "some-model-Q4_K_M.gguf"; the file's name where there is none.
std::string quant_of(std::string_view path);

/// Asks for the repository's listing and chooses. Errors: as choose_file(), kNotFound where there
/// is no such repository, kRefused where it is gated, with what to do.
Result<RemoteModel> find_hub_model(const SourceServices& services, const Reference& reference);

}  // namespace freehold::store
