#pragma once
// Where the values of a pass are: one block of memory cut once into the places an executor needs.
// The same walk over no memory counts the bytes, so that a plan and an executor cannot disagree.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "model/arch/hyper_parameters.h"
#include "runtime/pass.h"

namespace freehold::runtime {

/// Floats between columns: whole cache lines, so that workers on neighbouring columns share none.
inline constexpr size_t kActivationStrideUnit = 16;
inline size_t activation_stride(size_t width) {
  return base::align_up(width, kActivationStrideUnit);
}

/// What the memory depends on beside the model's numbers. The five from width_max on come from its
/// dry run.
struct ActivationShape {
  size_t columns_max = 1;
  size_t logits_max = 1;
  PassOutput output = PassOutput::kLogits;
  size_t workers = 1;
  size_t width_max = 0;  // longest row of any matrix
  size_t values_max = 0;
  size_t activations_max = 0;
  size_t kept_width = 0;
  uint32_t attention_rows_max = 0;
  uint64_t adapter_rank_max = 0;  // 0: no adapters
};

/// An activation's values: [columns, width], `stride` floats between columns.
struct ActivationPlace {
  float* data = nullptr;
  size_t width = 0;
  size_t stride = 0;
};

struct ActivationMemory {
  ActivationPlace residual;
  ActivationPlace kept;    // what embed() keeps for the layers of the pass
  float* arena = nullptr;  // what a layer makes, column by column
  size_t arena_floats = 0;
  int8_t* quantised[2] = {};
  float* scales[2] = {};
  int16_t* sums[2] = {};
  ActivationPlace gathered;
  float* low_rank = nullptr;  // what adapters make between their halves
  size_t low_rank_floats = 0;
  float* logits = nullptr;
  std::vector<float*> cosine, sine;  // per rope set: [columns, rotary_dim / 2]
  std::vector<float*> scratch;       // per worker
  float* relative_bias = nullptr;    // [heads, 2 * columns_max - 1], by key minus query

  /// Cuts the block at `base`; returns its length. A null base only counts.
  size_t place(std::byte* base, const model::HyperParameters& parameters,
               const ActivationShape& shape);
};

}  // namespace freehold::runtime
