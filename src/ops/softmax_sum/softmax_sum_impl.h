#pragma once
// The body of softmax_sum's fast paths, compiled once per instruction set. Include only from them.

#include "ops/math/functions.h"
#include "ops/math/lanes.h"
#include "ops/math/tiles.h"
#include "ops/softmax_sum/softmax_sum.h"

namespace freehold::ops {

/// The maximum in any order: the same bits, since the sign of a zero is dropped.
[[gnu::always_inline]] static inline float maximum_of(const float* x, size_t count) {
  Lanes lanes;
  for (size_t lane = 0; lane < kLanes; ++lane) lanes.value[lane] = -detail::kInfinity;
  size_t index = 0;
  for (; index + kLanes <= count; index += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const float value = x[index + lane];
      lanes.value[lane] = detail::select(value > lanes.value[lane], value, lanes.value[lane]);
    }
  }
  for (; index < count; ++index) {
    lanes.value[0] = detail::select(x[index] > lanes.value[0], x[index], lanes.value[0]);
  }
  float maximum = lanes.value[0];
  for (size_t lane = 1; lane < kLanes; ++lane) {
    maximum = detail::select(lanes.value[lane] > maximum, lanes.value[lane], maximum);
  }
  return maximum + 0.0f;
}

[[gnu::always_inline]] static inline void softmax_sum_body(const SoftmaxSum& task) {
  const float maximum = maximum_of(task.x, task.count);
  *task.maximum = maximum;
  if (maximum == -detail::kInfinity) {
    for (size_t i = 0; i < task.count; ++i) task.p[i] = 0.0f;
    *task.sum = 0.0f;
    return;
  }
  map_tiles(task.x, task.count, task.p, [maximum](float x) { return exp_f32(x - maximum); });
  *task.sum = lanes_sum(task.p, task.count);
}

}  // namespace freehold::ops
