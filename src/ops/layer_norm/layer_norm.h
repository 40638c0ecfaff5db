#pragma once
// LayerNorm over rows (docs/NUMERICS.md, section 4; Ba, Kiros and Hinton, 2016).
#include <cstddef>

namespace freehold::ops {

/// y[r] = ((x[r] - mean) * (1 / sqrt(mean of centred squares + eps))) * weight + bias. y may be x.
struct LayerNorm {
  const float* x = nullptr;  // [rows, width]
  size_t x_stride = 0;
  const float* weight = nullptr;  // [width] or nullptr
  const float* bias = nullptr;    // [width] or nullptr
  float eps = 0;
  size_t rows = 0;
  size_t width = 0;
  float* y = nullptr;  // [rows, width]
  size_t y_stride = 0;
};

}  // namespace freehold::ops
