#pragma once
// What a GGUF header may hold at most. A file beyond a limit is refused before memory that depends
// on the number is reserved (docs/formats/gguf.md has the reasons). Constants only.

#include <cstdint>

namespace freehold::model {

struct GgufLimits {
  /// Everything in front of the tensor data, per file. The largest real header known has about
  /// 20 MB (a vocabulary of 262,144 with merges).
  uint64_t header_bytes = 256ull << 20;
  uint64_t keys = 65'536;
  uint64_t tensors = 1'048'576;  // over all shards
  uint64_t shards = 4'096;
  uint64_t string_bytes = 64ull << 20;
  uint64_t token_bytes = 64ull << 10;  // each string of an array whose key begins "tokenizer."
  uint64_t key_bytes = 64ull << 10;
  uint64_t tensor_name_bytes = 64;  // GGUF specification, "tensor names"
  uint32_t dimensions = 4;
  uint32_t alignment_min = 8;
  uint32_t alignment_max = 65'536;
  uint32_t alignment_default = 32;
};

}  // namespace freehold::model
