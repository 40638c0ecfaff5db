#pragma once
// One GGUF file's header, parsed and checked by itself. What crosses files (shards, duplicate names
// over shards) and what crosses keys (the vocabulary) is open()'s business in gguf.cc.

#include <memory>
#include <vector>

#include "base/result.h"
#include "model/gguf/gguf.h"
#include "model/gguf/limits.h"
#include "model/gguf/metadata_data.h"

namespace freehold::model {

struct ParsedFile {
  uint32_t version = 0;
  Metadata metadata;
  std::vector<TensorInfo> tensors;  // shard left 0
};

/// Parses and checks the header of `file`. `tensors_before` were seen in earlier shards and count
/// towards the limit. Errors as GgufModel::open, without the path.
Result<ParsedFile> parse_file(io::ReadableFile& file, const GgufLimits& limits,
                              uint64_t tensors_before);

/// Whether the vocabulary's arrays and special ids agree with each other. kDamaged with the key.
Status check_vocabulary(const Metadata& metadata);

}  // namespace freehold::model
