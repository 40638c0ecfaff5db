#pragma once
// Sums by thirty-two accumulators and a fixed tree (docs/NUMERICS.md, section 2): accumulator l
// takes elements l, l + 32, l + 64 … in ascending order, then l joins l + 16, l + 8, l + 4, l + 2,
// l + 1. A short tail leaves the other accumulators alone. Pure; any thread. Internal linkage and
// forced inlining as in functions.h, for the same reason.

#include <cstddef>

#include "ops/math/functions.h"

namespace freehold::ops {

inline constexpr size_t kLanes = 32;

/// The thirty-two accumulators. Start from `Lanes lanes = {};`: all +0. No member initialiser,
/// which would make a constructor with external linkage.
struct Lanes {
  float value[kLanes];
};

/// Folds the accumulators by the fixed tree and returns the sum; `lanes` is used up.
[[gnu::always_inline]] static inline float fold_lanes(Lanes& lanes) {
  for (size_t step = kLanes / 2; step > 0; step /= 2) {
    for (size_t lane = 0; lane < step; ++lane) lanes.value[lane] += lanes.value[lane + step];
  }
  return lanes.value[0];
}

/// Runs `add(accumulator, index)` over 0 … count-1, each index on its lane, and folds. `add`
/// returns the accumulator's new value.
template <class Add>
[[gnu::always_inline]] static inline float sum_by_lanes(size_t count, Add add) {
  Lanes lanes = {};
  size_t index = 0;
  for (; index + kLanes <= count; index += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      lanes.value[lane] = add(lanes.value[lane], index + lane);
    }
  }
  for (size_t lane = 0; index < count; ++index, ++lane) {
    lanes.value[lane] = add(lanes.value[lane], index);
  }
  return fold_lanes(lanes);
}

/// Sum of x.
[[gnu::always_inline]] static inline float lanes_sum(const float* x, size_t count) {
  return sum_by_lanes(count, [x](float sum, size_t i) { return sum + x[i]; });
}

/// Sum of x * x, each joined by one fma.
[[gnu::always_inline]] static inline float lanes_sum_of_squares(const float* x, size_t count) {
  return sum_by_lanes(count, [x](float sum, size_t i) { return fma_f32(x[i], x[i], sum); });
}

/// Sum of (x - mean)^2, the difference rounded, its square joined by one fma.
[[gnu::always_inline]] static inline float lanes_sum_of_centred_squares(const float* x, float mean,
                                                                        size_t count) {
  return sum_by_lanes(count, [x, mean](float sum, size_t i) {
    const float centred = x[i] - mean;
    return fma_f32(centred, centred, sum);
  });
}

/// Dot product of x and y, each product joined by one fma (section 2's rule for float weights).
[[gnu::always_inline]] static inline float lanes_dot(const float* x, const float* y, size_t count) {
  return sum_by_lanes(count, [x, y](float sum, size_t i) { return fma_f32(x[i], y[i], sum); });
}

}  // namespace freehold::ops
