#pragma once
// Where a model's weights are while it runs. Matrices are ordered lists of row panels
// (weight_layout.h); a pinned panel is in our own memory, a streamed one passes through the ring in
// every pass (panel_ring.h). Vectors are decoded to f32. An embedding that is only looked up stays
// in the file and is read by row. Any thread may read; passes take turns. The GgufModel must
// outlive it (row reads, names).

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
#include "runtime/weights/expert_cache.h"
#include "runtime/weights/panel_ring.h"
#include "runtime/weights/weight_layout.h"

namespace freehold::runtime {

/// Some whole rows of a matrix.
struct Panel {
  static constexpr uint32_t kPinned = UINT32_MAX;
  const std::byte* rows = nullptr;  // where it is pinned
  uint64_t first_row = 0;
  uint64_t row_count = 0;
  uint32_t streamed = kPinned;  // its index in the ring otherwise
};

/// A matrix as its panels, as MatrixLayout says.
struct MatrixWeights {
  std::string name;
  const quant::Format* format = nullptr;
  uint64_t rows = 0;
  uint64_t width = 0;
  size_t row_bytes = 0;
  uint64_t part_rows = 0;  // of one expert; all otherwise
  uint64_t panel_rows = 0;
  size_t panels_per_part = 0;
  std::vector<Panel> panels;
  // Experts in the expert cache have no panels there; then, where in it:
  static constexpr uint32_t kNotCached = UINT32_MAX;
  uint32_t expert_layer = kNotCached;
  uint32_t expert_piece = 0;

  /// Row `index` of a matrix that is not experts' where its panel is pinned, else nullptr.
  const std::byte* row(uint64_t index) const {
    const Panel& panel = panels[index / panel_rows];
    return panel.rows == nullptr ? nullptr : panel.rows + (index - panel.first_row) * row_bytes;
  }
};

/// How streamed panels are read.
struct StreamingOptions {
  uint64_t ring_bytes = 0;
  uint64_t expert_bytes = 0;  // for experts, where not all are pinned
  size_t depth_max = 32;
  io::ReadBackend backend = io::ReadBackend::kAuto;
  bool read_ahead = true;
  std::vector<std::string> mirrors = {};  // folders with copies of the model's files
  ExpertCache::Eviction eviction = ExpertCache::Eviction::kLeastFrequent;
  /// To report the disk's rates. Not used beside an expert cache: what experts read then is missing
  /// from the ring's rates, and that would look like a slower disk.
  base::Clock* clock = nullptr;
};

class WeightStore {
 public:
  struct Options {
    device::MemoryAccount& account;
    device::WorkerPool& pool;
    const std::atomic<bool>* stop = nullptr;  // true ends the loading with kInterrupted
    /// Where the store's checksums are and what makes the ring's queue. Needed where something is
    /// streamed; without it nothing that is read is checked against the store.
    io::FileSystem* files = nullptr;
    StreamingOptions streaming = {};
  };

  /// Reads in parallel what `layout` pins and all vectors, and starts the ring for the rest. Every
  /// byte is checked against what the store recorded of the file, the header's too; a file that the
  /// store does not know must only stay as it was when it was opened.
  /// Errors: kRefused where memory does not suffice, kDamaged for short reads, for files that
  /// change meanwhile, for bytes that are not what the store recorded and for blocks that the
  /// format forbids (tensor named).
  static Result<std::unique_ptr<WeightStore>> load(const model::GgufModel& file,
                                                   std::span<const model::WeightSpec> specs,
                                                   const WeightLayout& layout, Options options);

  /// Names as architectures say them: a suffix within `layer`, or whole for WeightSpec::kNoLayer.
  /// The architecture's dry run has proved that what is asked for exists.
  const MatrixWeights& matrix(int32_t layer, std::string_view name) const;
  /// Of tables and heads, the rows one after the other.
  std::span<const float> vector(int32_t layer, std::string_view name) const;
  /// Width of the embedding `name`'s rows.
  uint64_t table_width(std::string_view name) const;
  /// Decodes row `row` of the embedding `name` into out [width].
  Status embedding_row(std::string_view name, uint64_t row, std::span<float> out) const;

  /// Bytes that a pass of one column reads, row-read tables excluded (S of docs/ARCHITECTURE.md).
  uint64_t bytes_per_pass() const { return bytes_per_pass_; }
  uint64_t width_max() const { return width_max_; }
  /// nullptr where everything is pinned. Its passes are the executor's.
  PanelRing* ring() const { return ring_.get(); }
  /// nullptr where every expert is pinned, or there are none. Its passes are the executor's.
  ExpertCache* experts() const { return experts_.get(); }
  /// By everything that streams, so far.
  uint64_t bytes_read() const;

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
  };

  /// What stands before the first tensor was parsed from an earlier reading; the disk must still
  /// say what the store recorded.
  Status check_headers(const model::GgufModel& file) const;
  Status place(const model::GgufModel& file, std::span<const model::WeightSpec> specs,
               const WeightLayout& layout);
  void place_rows(const model::GgufModel& file, const std::string& name);
  void place_matrix(const MatrixLayout& matrix);
  /// Gives every pinned panel its memory and every streamed one its place in the order of a pass.
  void place_panels(const WeightLayout& layout, std::vector<StreamedPanel>& streamed);
  Status read_pinned(const Options& options);
  Status start_ring(std::vector<StreamedPanel> streamed, const Options& options);
  /// Takes the experts that are not pinned into a cache.
  Status start_experts(const WeightLayout& layout, const Options& options);
  Status read_vector(const model::GgufModel& file, const model::WeightSpec& spec);
  Group& group(int32_t layer) { return groups_[static_cast<size_t>(layer + 1)]; }
  const Group& group(int32_t layer) const { return groups_[static_cast<size_t>(layer + 1)]; }

  std::vector<WeightSource> sources_;  // by shard
  std::vector<Group> groups_;          // [0]: no layer, [1 + layer]
  std::vector<MatrixWeights> matrices_;
  std::vector<const model::TensorInfo*> tensors_;  // beside matrices_
  std::vector<std::vector<float>> vectors_;
  std::vector<RowTable> row_tables_;
  device::Buffer memory_;
  std::unique_ptr<PanelRing> ring_;
  std::unique_ptr<ExpertCache> experts_;
  uint64_t bytes_per_pass_ = 0;
  uint64_t width_max_ = 0;
};

}  // namespace freehold::runtime
