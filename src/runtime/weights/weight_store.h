#pragma once
// Where a model's weights are while it runs. Matrices are ordered lists of row panels (whole rows,
// a multiple of 16 but for the last, at most 4 MB); here every panel is pinned in our own memory.
// Vectors are decoded to f32. An embedding that is only looked up stays in the file and is read by
// row. Immutable after load(); any thread may read. The GgufModel must outlive it (row reads).

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "device/memory.h"
#include "device/worker_pool.h"
#include "model/arch/architecture.h"
#include "model/gguf/gguf.h"
#include "quant/format.h"

namespace freehold::runtime {

/// Some whole rows of a matrix.
struct Panel {
  const std::byte* rows = nullptr;
  uint64_t first_row = 0;
  uint64_t row_count = 0;
};

/// A matrix as its panels. All but the last have `panel_rows` rows.
struct MatrixWeights {
  std::string name;
  const quant::Format* format = nullptr;
  uint64_t rows = 0;
  uint64_t width = 0;
  size_t row_bytes = 0;
  uint64_t panel_rows = 0;
  std::vector<Panel> panels;

  const std::byte* row(uint64_t index) const {
    const Panel& panel = panels[index / panel_rows];
    return panel.rows + (index - panel.first_row) * row_bytes;
  }
};

class WeightStore {
 public:
  struct Options {
    device::MemoryAccount& account;
    device::WorkerPool& pool;
    const std::atomic<bool>* stop = nullptr;  // true ends the loading with kInterrupted
  };

  /// Reads every tensor of `specs` that must be resident, in parallel. Errors: kRefused where
  /// memory does not suffice, kDamaged for short reads and for blocks that the format forbids
  /// (tensor named).
  static Result<std::unique_ptr<WeightStore>> load(const model::GgufModel& file,
                                                   std::span<const model::WeightSpec> specs,
                                                   bool tied_output, Options options);

  /// Names as architectures say them: a suffix within `layer`, or whole for WeightSpec::kNoLayer.
  /// The architecture's dry run has proved that what is asked for exists.
  const MatrixWeights& matrix(int32_t layer, std::string_view name) const;
  std::span<const float> vector(int32_t layer, std::string_view name) const;
  /// Decodes row `row` of the embedding `name` into out [width].
  Status embedding_row(std::string_view name, uint64_t row, std::span<float> out) const;

  /// Bytes that a pass reads: all matrices, row-read tables excluded (S of docs/ARCHITECTURE.md).
  uint64_t bytes_per_pass() const { return bytes_per_pass_; }
  uint64_t width_max() const { return width_max_; }

 private:
  struct Named {
    std::string name;
    size_t index;
  };
  /// What one layer (or the place for no layer) has.
  struct Group {
    std::vector<Named> matrices;
    std::vector<Named> vectors;
  };
  struct RowTable {
    std::string name;
    const model::TensorInfo* tensor;
    io::ReadableFile* file;
    io::FileIdentity identity;
  };

  Status place(const model::GgufModel& file, std::span<const model::WeightSpec> specs,
               bool tied_output);
  Status read_matrices(const model::GgufModel& file, const Options& options);
  Status read_vector(const model::GgufModel& file, const model::WeightSpec& spec);
  Group& group(int32_t layer) { return groups_[static_cast<size_t>(layer + 1)]; }
  const Group& group(int32_t layer) const { return groups_[static_cast<size_t>(layer + 1)]; }

  std::vector<Group> groups_;  // [0]: no layer, [1 + layer]
  std::vector<MatrixWeights> matrices_;
  std::vector<const model::TensorInfo*> tensors_;  // beside matrices_
  std::vector<std::vector<float>> vectors_;
  std::vector<RowTable> row_tables_;
  device::Buffer memory_;
  uint64_t bytes_per_pass_ = 0;
  uint64_t width_max_ = 0;
};

}  // namespace freehold::runtime
