#pragma once
// The body of rms_norm's fast paths, compiled once per instruction set. Include only from them.

#include "ops/math/functions.h"
#include "ops/math/lanes.h"
#include "ops/math/tiles.h"
#include "ops/rms_norm/rms_norm.h"

namespace freehold::ops {

[[gnu::always_inline]] static inline void rms_norm_body(const RmsNorm& task) {
  for (size_t row = 0; row < task.rows; ++row) {
    const float* x = task.x + row * task.x_stride;
    float* y = task.y + row * task.y_stride;
    const float sum = lanes_sum_of_squares(x, task.width);
    if (task.finite != nullptr && !(abs_f32(sum) < kSumLimit)) *task.finite = false;
    const float r = 1.0f / sqrt_f32(sum / static_cast<float>(task.width) + task.eps);
    if (task.weight != nullptr) {
      map_tiles(x, task.weight, task.width, y, [r](float v, float w) { return (v * r) * w; });
    } else {
      map_tiles(x, task.width, y, [r](float v) { return v * r; });
    }
  }
}

}  // namespace freehold::ops
