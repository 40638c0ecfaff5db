#pragma once
// How a model's matrices are cut into row panels and which of them stay in memory: pure values made
// from a file's header, before anything is read. A panel is some whole rows of a matrix; every
// panel is either pinned (read once, when the model is loaded) or streamed (read again in every
// pass). Which it is never changes a bit of a result.

#include <cstdint>
#include <span>
#include <vector>

#include "model/arch/architecture.h"
#include "model/gguf/gguf.h"

namespace freehold::runtime {

/// Longest panel (docs/ARCHITECTURE.md): what one direct read of a streaming ring carries.
inline constexpr uint64_t kPanelBytesMax = uint64_t{4} << 20;
/// Shortest that a plan may ask for: below it reads cost more than they carry.
inline constexpr uint64_t kPanelBytesMin = uint64_t{128} << 10;

/// One matrix as its panels. All but the last (of each expert, where it is many experts') have
/// `panel_rows` rows.
struct MatrixLayout {
  const model::WeightSpec* spec = nullptr;
  const model::TensorInfo* tensor = nullptr;
  uint64_t row_bytes = 0;
  uint64_t part_rows = 0;  // rows of one expert; all rows otherwise
  uint64_t panel_rows = 0;
  size_t panels_per_part = 0;
  std::vector<bool> pinned;  // one per panel
  /// Only passes that want logits read it.
  bool output_only = false;

  size_t panels() const { return pinned.size(); }
  uint64_t first_row_of(size_t panel) const;
  uint64_t rows_of(size_t panel) const;
  uint64_t bytes_of(size_t panel) const { return rows_of(panel) * row_bytes; }
  bool is_pinned() const;
  bool is_experts() const { return spec->role == model::WeightRole::kExperts; }
  uint64_t bytes() const { return spec->rows * row_bytes; }
  /// Of it, what one column reads.
  uint64_t bytes_used() const { return bytes() / spec->parts * spec->parts_used; }
};

/// All matrices of a model in the order in which a pass reads them.
struct WeightLayout {
  std::vector<MatrixLayout> matrices;

  /// Cut with panels of at most `panel_bytes_max`; everything pinned. `specs` and `file` outlive
  /// it.
  static WeightLayout create(const model::GgufModel& file, std::span<const model::WeightSpec> specs,
                             bool tied_output, uint64_t panel_bytes_max);

  /// Keeps pinned what fits into `bytes` and lets the rest be streamed; experts are pinned all or
  /// not at all, after everything else. Matrices of less than a
  /// read's worth come first; then panels in equal steps over the pass, so that computing on pinned
  /// ones hides the reading of the others.
  void pin_at_most(uint64_t bytes);

  /// Bytes of all matrices.
  uint64_t bytes() const;
  /// … that a pass of one column with logits touches (S of docs/ARCHITECTURE.md).
  uint64_t bytes_used() const;
  uint64_t pinned_bytes() const;
  /// … that every pass with logits reads: experts are not among them.
  uint64_t streamed_bytes() const;
  uint64_t expert_bytes() const;
  /// … that one column uses.
  uint64_t expert_bytes_used() const;
  bool pins_experts() const;
  /// Experts of all layers.
  uint64_t expert_units() const;
  /// What one expert of one layer needs in an expert cache, at most.
  uint64_t expert_slot_bytes() const;
  /// Longest streamed panel that is not an expert's; 0 where none is.
  uint64_t streamed_panel_bytes_max() const;
  size_t streamed_panels() const;
  /// Longest row in values.
  uint64_t width_max() const;
};

}  // namespace freehold::runtime
