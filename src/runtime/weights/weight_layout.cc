#include "runtime/weights/weight_layout.h"

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "runtime/weights/weight_reading.h"

namespace freehold::runtime {

namespace {

constexpr uint64_t kRowUnit = 16;
/// Rows that workers claim at a time divide a panel, so that no claim crosses its end; this many
/// bytes make a claim worth its cost.
constexpr uint64_t kClaimBytes = uint64_t{64} << 10;
/// A matrix below this is pinned first: reading it alone would cost a request and carry little.
constexpr uint64_t kSmallMatrixBytes = uint64_t{1} << 20;

/// Panels of nearly equal length, each a whole number of claims where the limit allows it.
uint64_t rows_per_panel(uint64_t rows, uint64_t row_bytes, uint64_t panel_bytes_max) {
  uint64_t unit = kRowUnit;
  while (unit * row_bytes < kClaimBytes && unit * 2 * row_bytes <= panel_bytes_max) unit *= 2;
  const uint64_t most = std::max(unit, panel_bytes_max / row_bytes / unit * unit);
  const uint64_t panels = base::divide_up(rows, most);
  return base::divide_up(base::divide_up(rows, panels), unit) * unit;
}

MatrixLayout lay_out(const model::GgufModel& file, const model::WeightSpec& spec,
                     uint64_t panel_bytes_max) {
  MatrixLayout matrix;
  matrix.spec = &spec;
  matrix.tensor = file.find(spec.name);
  CHECK(matrix.tensor != nullptr);  // check_weights() came before
  matrix.row_bytes = matrix.tensor->format->row_bytes(spec.width);
  matrix.part_rows = spec.rows / spec.parts;
  matrix.panel_rows = rows_per_panel(matrix.part_rows, matrix.row_bytes, panel_bytes_max);
  matrix.panels_per_part = base::divide_up(matrix.part_rows, matrix.panel_rows);
  matrix.pinned.assign(matrix.panels_per_part * spec.parts, true);
  return matrix;
}

}  // namespace

uint64_t MatrixLayout::rows_of(size_t panel) const {
  return std::min(panel_rows, part_rows - panel % panels_per_part * panel_rows);
}

uint64_t MatrixLayout::first_row_of(size_t panel) const {
  return panel / panels_per_part * part_rows + panel % panels_per_part * panel_rows;
}

bool MatrixLayout::is_pinned() const {
  return std::all_of(pinned.begin(), pinned.end(), [](bool value) { return value; });
}

WeightLayout WeightLayout::create(const model::GgufModel& file,
                                  std::span<const model::WeightSpec> specs, bool tied_output,
                                  uint64_t panel_bytes_max) {
  WeightLayout layout;
  const model::WeightSpec* tied = nullptr;
  bool layers_begun = false;
  for (const model::WeightSpec& spec : specs) {
    // The first embedding is that of the tokens.
    if (spec.role == model::WeightRole::kEmbedding && tied_output && tied == nullptr) tied = &spec;
    if (spec.role != model::WeightRole::kMatrix && spec.role != model::WeightRole::kExperts) {
      continue;
    }
    layout.matrices.push_back(lay_out(file, spec, panel_bytes_max));
    layers_begun = layers_begun || spec.layer != model::WeightSpec::kNoLayer;
    layout.matrices.back().output_only = layers_begun && spec.layer == model::WeightSpec::kNoLayer;
  }
  // Listed first, as the embedding; read last, as the output matrix.
  if (tied != nullptr) {
    layout.matrices.push_back(lay_out(file, *tied, panel_bytes_max));
    layout.matrices.back().output_only = true;
  }
  return layout;
}

void WeightLayout::pin_at_most(uint64_t bytes) {
  uint64_t left = bytes;
  const uint64_t of_experts = expert_bytes();
  const bool everything = left >= this->bytes();
  if (everything) left -= of_experts;
  uint64_t rest = 0;  // bytes of the matrices that are not pinned whole
  std::vector<MatrixLayout*> large;
  for (MatrixLayout& matrix : matrices) {
    if (matrix.is_experts()) {
      matrix.pinned.assign(matrix.panels(), everything);
      continue;
    }
    const uint64_t size = matrix.bytes();
    const bool whole = matrix.spec->reused || (size < kSmallMatrixBytes && size <= left);
    matrix.pinned.assign(matrix.panels(), whole);
    if (whole) {
      left -= std::min(left, size);
    } else {
      large.push_back(&matrix);
      rest += size;
    }
  }
  // After each panel, what is pinned is the wanted share of what has passed, to within a panel.
  const double share =
      rest == 0 ? 0 : std::min(1.0, static_cast<double>(left) / static_cast<double>(rest));
  uint64_t passed = 0;
  uint64_t pinned = 0;
  for (MatrixLayout* matrix : large) {
    for (size_t panel = 0; panel < matrix->panels(); ++panel) {
      const uint64_t size = matrix->bytes_of(panel);
      passed += size;
      const auto wanted = static_cast<uint64_t>(share * static_cast<double>(passed));
      if (pinned + size / 2 > wanted || pinned + size > left) continue;
      matrix->pinned[panel] = true;
      pinned += size;
    }
  }
}

uint64_t WeightLayout::bytes() const {
  uint64_t sum = 0;
  for (const MatrixLayout& matrix : matrices) sum += matrix.bytes();
  return sum;
}

uint64_t WeightLayout::bytes_used() const {
  uint64_t sum = 0;
  for (const MatrixLayout& matrix : matrices) sum += matrix.bytes_used();
  return sum;
}

uint64_t WeightLayout::pinned_bytes() const {
  uint64_t sum = 0;
  for (const MatrixLayout& matrix : matrices) {
    for (size_t panel = 0; panel < matrix.panels(); ++panel) {
      if (matrix.pinned[panel]) sum += matrix.bytes_of(panel);
    }
  }
  return sum;
}

uint64_t WeightLayout::streamed_bytes() const {
  uint64_t sum = 0;
  for (const MatrixLayout& matrix : matrices) {
    if (matrix.is_experts()) continue;
    for (size_t panel = 0; panel < matrix.panels(); ++panel) {
      if (!matrix.pinned[panel]) sum += matrix.bytes_of(panel);
    }
  }
  return sum;
}

uint64_t WeightLayout::expert_bytes() const {
  uint64_t sum = 0;
  for (const MatrixLayout& matrix : matrices) sum += matrix.is_experts() ? matrix.bytes() : 0;
  return sum;
}

uint64_t WeightLayout::expert_bytes_used() const {
  uint64_t sum = 0;
  for (const MatrixLayout& matrix : matrices) sum += matrix.is_experts() ? matrix.bytes_used() : 0;
  return sum;
}

bool WeightLayout::pins_experts() const {
  return std::all_of(matrices.begin(), matrices.end(), [](const MatrixLayout& matrix) {
    return !matrix.is_experts() || matrix.is_pinned();
  });
}

uint64_t WeightLayout::expert_units() const {
  uint64_t units = 0;
  int32_t layer = model::WeightSpec::kNoLayer;
  for (const MatrixLayout& matrix : matrices) {
    if (!matrix.is_experts() || matrix.spec->layer == layer) continue;
    layer = matrix.spec->layer;
    units += matrix.spec->parts;
  }
  return units;
}

uint64_t WeightLayout::expert_slot_bytes() const {
  // Slots are alike, and so are the pieces in them.
  uint64_t longest = 0;
  uint64_t pieces = 0;
  int32_t layer = model::WeightSpec::kNoLayer;
  uint64_t of_layer = 0;
  for (const MatrixLayout& matrix : matrices) {
    if (!matrix.is_experts()) continue;
    of_layer = matrix.spec->layer == layer ? of_layer + 1 : 1;
    layer = matrix.spec->layer;
    pieces = std::max(pieces, of_layer);
    longest = std::max(longest, matrix.part_rows * matrix.row_bytes);
  }
  return pieces * piece_bytes_max(longest);
}

uint64_t WeightLayout::streamed_panel_bytes_max() const {
  uint64_t most = 0;
  for (const MatrixLayout& matrix : matrices) {
    if (matrix.is_experts()) continue;
    for (size_t panel = 0; panel < matrix.panels(); ++panel) {
      if (!matrix.pinned[panel]) most = std::max(most, matrix.bytes_of(panel));
    }
  }
  return most;
}

size_t WeightLayout::streamed_panels() const {
  size_t count = 0;
  for (const MatrixLayout& matrix : matrices) {
    if (matrix.is_experts()) continue;
    for (size_t panel = 0; panel < matrix.panels(); ++panel) count += matrix.pinned[panel] ? 0 : 1;
  }
  return count;
}

uint64_t WeightLayout::width_max() const {
  uint64_t most = 0;
  for (const MatrixLayout& matrix : matrices) most = std::max(most, matrix.spec->width);
  return most;
}

}  // namespace freehold::runtime
