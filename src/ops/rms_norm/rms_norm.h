#pragma once
// RMSNorm over rows (docs/NUMERICS.md, section 4; Zhang and Sennrich, 2019).
#include <cstddef>

namespace freehold::ops {

/// A sum of squares that is not below it has overflowed.
inline constexpr float kSumLimit = __builtin_inff();

/// y[r] = (x[r] * (1 / sqrt(sum(x[r]^2) / width + eps))) * weight, each row on its own. y may be x.
struct RmsNorm {
  const float* x = nullptr;  // [rows, width]
  size_t x_stride = 0;
  const float* weight = nullptr;  // [width]; nullptr: no weight factor at all
  float eps = 0;
  size_t rows = 0;
  size_t width = 0;
  float* y = nullptr;  // [rows, width]
  size_t y_stride = 0;
  /// Set to false where a row's sum of squares leaves f32 (its y is then zeros, which no later step
  /// could tell from values); never set to true. nullptr: nobody asks.
  bool* finite = nullptr;
};

}  // namespace freehold::ops
