#pragma once
// The body of layer_norm's fast paths, compiled once per instruction set. Include only from them.

#include "ops/layer_norm/layer_norm.h"
#include "ops/math/functions.h"
#include "ops/math/lanes.h"
#include "ops/math/tiles.h"

namespace freehold::ops {

[[gnu::always_inline]] static inline void layer_norm_body(const LayerNorm& task) {
  const float width = static_cast<float>(task.width);
  for (size_t row = 0; row < task.rows; ++row) {
    const float* x = task.x + row * task.x_stride;
    float* y = task.y + row * task.y_stride;
    const float mean = lanes_sum(x, task.width) / width;
    const float squares = lanes_sum_of_centred_squares(x, mean, task.width);
    const float r = 1.0f / sqrt_f32(squares / width + task.eps);
    map_tiles(x, task.width, y, [mean, r](float v) { return (v - mean) * r; });
    if (task.weight != nullptr) {
      map_tiles(y, task.weight, task.width, y, [](float v, float w) { return v * w; });
    }
    if (task.bias != nullptr) {
      map_tiles(y, task.bias, task.width, y, [](float v, float b) { return v + b; });
    }
  }
}

}  // namespace freehold::ops
