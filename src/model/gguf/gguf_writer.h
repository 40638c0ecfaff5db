#pragma once
// A GGUF v3 header as bytes, and nothing more: keys, then tensor records with their places. The
// caller writes the data behind it. Little-endian, alignment 32. Pure; one thread for each object.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf/gguf.h"
#include "quant/format.h"

namespace freehold::model {

/// Of tensor data in the files written here.
inline constexpr uint64_t kGgufAlignment = 32;

/// One tensor as it will be: dims fastest first, 1 to 4 of them.
struct PlannedTensor {
  std::string name;
  std::vector<uint64_t> dims;
  const quant::Format* format = nullptr;

  uint64_t values() const;
  uint64_t bytes() const;
  /// With the padding behind it.
  uint64_t padded_bytes() const;
};

class GgufHeader {
 public:
  void add_unsigned(std::string_view key, uint32_t value);
  void add_u16(std::string_view key, uint16_t value);
  void add_i32(std::string_view key, int32_t value);
  void add_float(std::string_view key, float value);
  void add_bool(std::string_view key, bool value);
  void add_string(std::string_view key, std::string_view value);
  void add_strings(std::string_view key, const std::vector<std::string>& values);
  void add_floats(std::string_view key, const std::vector<float>& values);
  void add_integers(std::string_view key, const std::vector<int32_t>& values);

  /// A key of another file with its type; kRefused for what no file needs (arrays of arrays).
  Status copy(const Metadata& from, std::string_view key);

  /// Everything in front of the tensor data, padded.
  std::string build(std::span<const PlannedTensor> tensors) const;

 private:
  void key(std::string_view name, ValueType type);
  std::string keys_;
  uint64_t key_count_ = 0;
};

}  // namespace freehold::model
