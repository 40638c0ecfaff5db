#pragma once
// Low-rank adapters (LoRA; Hu et al., 2021) as the field's converter writes them to GGUF: for some
// of a model's matrices a pair A [rank, width] and B [rows, rank], whose product is added to what
// the matrix gives (docs/NUMERICS.md, section 8). An adapter is checked against its base before
// memory is taken for it. It is read once and then only read: any thread, any number of requests.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "device/memory.h"
#include "model/gguf/gguf.h"
#include "quant/format.h"

namespace freehold::runtime {

class Model;

/// One of a pair, in the adapter's own memory: as in the file, or as f32 where that is quantised.
struct AdapterMatrix {
  const quant::Format* format = nullptr;
  uint64_t rows = 0;
  uint64_t width = 0;
  const std::byte* data = nullptr;

  size_t row_bytes() const { return format->row_bytes(width); }
};

/// What is added to one matrix of the base. Of an embedding A has a row of `rank` for each token;
/// only looking up changes, not an output matrix that is the embedding too.
struct AdapterPair {
  AdapterMatrix a, b;
  uint64_t rank = 0;
  bool by_token = false;  // of an embedding
  double factor = 1;      // alpha / rank; 1 where the file says no alpha
};

class Adapter {
 public:
  /// Far above any in use (256); t of one column and one matrix takes this many floats.
  static constexpr uint64_t kRankMax = 4096;

  /// Reads and checks all but the values; nothing but the header is in memory then. `base` must
  /// outlive it. Errors: kRefused for a file that is no LoRA adapter, for one of another
  /// architecture or of other shapes (with both numbers), and for what it changes that cannot be
  /// changed here, by name; kDamaged for half a pair and numbers that are none.
  static Result<std::unique_ptr<Adapter>> open(model::GgufModel file, const Model& base);
  /// Reads the values, checked against what the store recorded where `files` knows it. Once.
  Status load(device::MemoryAccount& account, io::FileSystem* files);

  /// What is added to the base's tensor `name`; nullptr where it stays as it is.
  const AdapterPair* find(std::string_view name) const;
  /// What load() takes.
  uint64_t bytes() const { return bytes_; }
  uint64_t rank_max() const { return rank_max_; }
  size_t pairs() const { return pairs_.size(); }
  const Model& base() const { return base_; }
  /// Which file this is, as Model::identity() says it.
  const std::string& identity() const { return identity_; }

  /// Half made: open() is the way in.
  Adapter(model::GgufModel file, const Model& base) : file_(std::move(file)), base_(base) {}

 private:
  struct NameHash {
    using is_transparent = void;
    size_t operator()(std::string_view name) const { return std::hash<std::string_view>()(name); }
  };

  Status check_kind() const;
  Result<double> alpha() const;
  /// Finds the partner of the tensor's half and the matrix that both are for.
  Status add_half(const model::TensorInfo& tensor);
  Status check_pair(const std::string& name, AdapterPair& pair, double alpha) const;
  Status read_values(const model::TensorInfo& tensor, AdapterMatrix& matrix, std::byte* into,
                     io::FileSystem* files) const;

  model::GgufModel file_;
  const Model& base_;
  std::unordered_map<std::string, AdapterPair, NameHash, std::equal_to<>> pairs_;
  uint64_t bytes_ = 0;
  uint64_t rank_max_ = 0;
  std::string identity_;
  device::Buffer memory_;
};

/// An adapter as a request wants it.
struct AppliedAdapter {
  const Adapter* adapter = nullptr;
  float scale = 1;  // the request's own factor, beside alpha / rank
};

/// Names adapters and their scales, in their order: what was computed with one list is of no use to
/// another. Empty for none.
std::string identity_of(std::span<const AppliedAdapter> adapters);
uint64_t rank_max_of(std::span<const AppliedAdapter> adapters);

}  // namespace freehold::runtime
