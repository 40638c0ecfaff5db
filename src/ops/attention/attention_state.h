#pragma once
// How attention's scratch is divided, the same on every rung. Not for callers.

#include <cstddef>

#include "ops/attention/kv_layout.h"

namespace freehold::ops {

/// Rows that a block holds at most, on any rung.
inline constexpr size_t kAttentionBlockRows = 8;

/// Floats from one row of outputs to the next: room for whole vectors, aligned to 64 bytes.
constexpr size_t attention_output_stride(size_t value_dim) { return (value_dim + 15) / 16 * 16; }

/// scratch = { one chunk's outputs [8][stride], its scores [8][256],
///             every row's outputs [row_count][stride], maxima [row_count], sums [row_count] }
constexpr size_t attention_block_floats(size_t value_dim) {
  return kAttentionBlockRows * (attention_output_stride(value_dim) + kChunkPositions);
}

}  // namespace freehold::ops
