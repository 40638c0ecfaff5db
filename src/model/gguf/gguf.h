#pragma once
// GGUF v2 and v3 files read as hostile input: bounded reads, every limit checked before any
// allocation
// (../shared/facts/trust.md 6.4; docs/formats/gguf.md), one validated table as the result. Nothing
// is mapped, and tensor data is not read here. Values are immutable after open(); any thread may
// read.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file.h"
#include "quant/format.h"

namespace freehold::model {

/// GGUF's value types, by their number in the file.
enum class ValueType : uint32_t {
  kU8 = 0,
  kI8,
  kU16,
  kI16,
  kU32,
  kI32,
  kF32,
  kBool,
  kString,
  kArray,
  kU64,
  kI64,
  kF64
};

/// The key-value part of a file. Look-ups return nothing where the key is missing *or* has another
/// type class; integer look-ups take every integer type whose value fits, float look-ups f32 and
/// f64.
class Metadata {
 public:
  std::optional<uint64_t> find_unsigned(std::string_view key) const;
  std::optional<int64_t> find_signed(std::string_view key) const;
  std::optional<double> find_float(std::string_view key) const;
  std::optional<bool> find_bool(std::string_view key) const;
  std::optional<std::string_view> find_string(std::string_view key) const;
  /// Arrays. Strings are views into this object; numbers are converted, element types must be
  /// numeric. find_integers also takes booleans as 0 and 1.
  std::optional<std::vector<std::string_view>> find_strings(std::string_view key) const;
  std::optional<std::vector<double>> find_floats(std::string_view key) const;
  std::optional<std::vector<int64_t>> find_integers(std::string_view key) const;
  /// Elements of an array, and their type, without converting it.
  std::optional<uint64_t> array_size(std::string_view key) const;
  std::optional<ValueType> array_type(std::string_view key) const;
  bool contains(std::string_view key) const;
  /// How the file stores it; nothing where the key is missing.
  std::optional<ValueType> type_of(std::string_view key) const;
  /// Keys in file order; `describe` gives a short text of a value for `show` and messages.
  std::vector<std::string_view> keys() const;
  std::string describe(std::string_view key) const;

  struct Data;  // in metadata_data.h
  explicit Metadata(std::unique_ptr<Data> data);
  Metadata();
  Metadata(Metadata&&) noexcept;
  Metadata& operator=(Metadata&&) noexcept;
  ~Metadata();

 private:
  std::unique_ptr<Data> data_;
};

/// One tensor's place. GGUF dims are fastest first: dims[0] is the row width, dims[1] the row
/// count.
struct TensorInfo {
  std::string name;
  uint32_t dimensions = 0;  // 1 to 4
  uint64_t dims[4] = {1, 1, 1, 1};
  const quant::Format* format = nullptr;
  uint32_t shard = 0;   // index into GgufModel::shards()
  uint64_t offset = 0;  // of its first byte in that shard's file
  uint64_t bytes = 0;

  uint64_t width() const { return dims[0]; }
  uint64_t rows() const { return dims[1] * dims[2] * dims[3]; }
};

/// A model's file or its shards (`name-00001-of-00003.gguf`), opened and checked.
class GgufModel {
 public:
  /// `path` is the file or the first shard. Errors: kNotFound (file, or a shard that is missing),
  /// kDamaged with what is wrong and the byte offset, kRefused for a limit, a version or a tensor
  /// format this build does not know (named).
  static Result<GgufModel> open(io::FileSystem& files, const std::string& path);
  /// The same of files that `open_file` opens: shards on a server.
  using OpenFile =
      std::function<Result<std::unique_ptr<io::ReadableFile>>(const std::string& path)>;
  static Result<GgufModel> open(const OpenFile& open_file, const std::string& path);

  const Metadata& metadata() const { return metadata_; }
  /// In file order, shards joined.
  std::span<const TensorInfo> tensors() const { return tensors_; }
  /// nullptr where there is none.
  const TensorInfo* find(std::string_view name) const;
  std::span<const std::unique_ptr<io::ReadableFile>> shards() const { return shards_; }
  uint32_t version() const { return version_; }
  /// Sum of all tensors' bytes.
  uint64_t tensor_bytes() const { return tensor_bytes_; }

 private:
  /// Sorts the names; kDamaged where one is there twice.
  Status index_tensors();

  Metadata metadata_;
  std::vector<TensorInfo> tensors_;
  std::vector<uint32_t> by_name_;  // indices sorted by name
  std::vector<std::unique_ptr<io::ReadableFile>> shards_;
  uint32_t version_ = 0;
  uint64_t tensor_bytes_ = 0;
};

}  // namespace freehold::model
