#pragma once
// The plain reference of section 2 (docs/NUMERICS.md): float weights. Thirty-two accumulators by
// k mod 32, each an ascending fma chain from +0, then a fixed tree. Pure; any thread.

#include <cmath>
#include <cstddef>

#include "quant/format.h"

namespace freehold::quant {

/// Adds l with l + 16, then + 8, + 4, + 2, + 1; destroys `lanes`.
inline float sum_lanes_plain(float (&lanes)[32]) {
  for (size_t half = 16; half > 0; half /= 2) {
    for (size_t lane = 0; lane < half; ++lane) lanes[lane] = lanes[lane] + lanes[lane + half];
  }
  return lanes[0];
}

/// The reference dot of a float format; Widen reads value i of a row as f32, exactly.
template <class Widen>
void dot_plain_float(const PanelDot& task, Widen widen) {
  for (size_t row = 0; row < task.row_count; ++row) {
    const std::byte* weights = task.rows + row * task.row_bytes;
    for (size_t column = 0; column < task.x.columns; ++column) {
      const float* x = task.x.x + column * task.x.x_stride;
      float lanes[32] = {};
      for (size_t i = 0; i < task.x.width; ++i) {
        lanes[i % 32] = std::fma(widen(weights, i), x[i], lanes[i % 32]);
      }
      task.y[column * task.y_stride + row] = sum_lanes_plain(lanes);
    }
  }
}

}  // namespace freehold::quant
