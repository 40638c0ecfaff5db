#pragma once
// Rotary position embedding: turning pairs of a head by a table's angles (docs/NUMERICS.md, section
// 4; Su et al., 2021). The table itself is made in binary64 by ops/rope/rope_table.h.
#include <cstddef>

namespace freehold::ops {

/// Which two values of a head make a pair.
enum class RopePairing {
  kInterleaved,  ///< (0, 1), (2, 3), …: `llama` files from llama.cpp's converter.
  kHalves        ///< (0, n/2), (1, n/2 + 1), …: NeoX style, qwen2, gemma3.
};

/// Turns the first `rotary_dim` values of each head in place: x' = fma(x, c, -(y * s)),
/// y' = fma(y, c, x * s). The rest of the head stays as it is.
struct Rope {
  float* x = nullptr;  // [heads, head_dim] of one column
  size_t heads = 0;
  size_t head_dim = 0;
  size_t rotary_dim = 0;  // even, at most head_dim
  RopePairing pairing = RopePairing::kHalves;
  const float* cosine = nullptr;  // [rotary_dim / 2] of this column's position
  const float* sine = nullptr;    // [rotary_dim / 2]
};

}  // namespace freehold::ops
