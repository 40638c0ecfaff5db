#pragma once
// Safetensors files, whole or in shards, read as hostile input into one checked table. Headers
// only: tensor data is read by whoever wants it, from the place that the table says. Format: the
// README of the safetensors project, "Format". Immutable after open(); any thread may read.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file.h"

namespace freehold::model {

/// What a header may hold at most; the first is the format's own limit.
struct SafetensorsLimits {
  uint64_t header_bytes = 100'000'000;
  uint64_t tensors = 1'048'576;  // over all shards
  uint64_t name_bytes = 1'024;
  uint64_t shards = 4'096;
  uint64_t dimensions = 8;
};

enum class SafetensorsType : uint8_t {
#define FREEHOLD_SAFETENSORS_TYPE(name, bytes) k##name,
#include "model/safetensors/types.def"
#undef FREEHOLD_SAFETENSORS_TYPE
};

/// "BF16".
std::string_view safetensors_type_name(SafetensorsType type);

struct SafetensorsTensor {
  std::string name;
  SafetensorsType type = SafetensorsType::kF32;
  std::vector<uint64_t> shape;  // slowest first; empty for a single value
  size_t shard = 0;             // index into shards()
  uint64_t offset = 0;          // of its first byte in that file
  uint64_t bytes = 0;
};

class SafetensorsModel {
 public:
  /// `path` is a file, or a folder with model.safetensors or with the shards that
  /// model.safetensors.index.json names. Errors, each with the file and the tensor: kNotFound for a
  /// file that is missing, kDamaged for what breaks the format, kRefused for a limit, an element
  /// type that is not read, or a folder that has its weights as pickles only.
  static Result<SafetensorsModel> open(io::FileSystem& files, const std::string& path,
                                       const SafetensorsLimits& limits = {});

  /// Shard by shard, each in the order of its data.
  std::span<const SafetensorsTensor> tensors() const { return tensors_; }
  /// nullptr where there is none.
  const SafetensorsTensor* find(std::string_view name) const;
  std::span<const std::unique_ptr<io::ReadableFile>> shards() const { return shards_; }

 private:
  Status add_shard(io::FileSystem& files, const std::string& path, const SafetensorsLimits& limits);
  /// Sorts the names; kDamaged where two shards have one.
  Status index_tensors();

  std::vector<SafetensorsTensor> tensors_;
  std::vector<size_t> by_name_;  // indices sorted by name
  std::vector<std::unique_ptr<io::ReadableFile>> shards_;
};

}  // namespace freehold::model
