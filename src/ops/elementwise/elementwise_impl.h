#pragma once
// The body of elementwise's fast paths, compiled once per instruction set. Include only from them.

#include "ops/elementwise/elementwise.h"
#include "ops/math/functions.h"
#include "ops/math/tiles.h"

namespace freehold::ops {

[[gnu::always_inline]] static inline void elementwise_body(const Elementwise& task) {
  const float factor = task.factor;
  switch (task.kind) {
    case ElementwiseKind::kAdd:
      return map_tiles(task.x, task.y, task.count, task.out,
                       [](float x, float y) { return x + y; });
    case ElementwiseKind::kScale:
      return map_tiles(task.x, task.count, task.out, [factor](float x) { return x * factor; });
    case ElementwiseKind::kScaleAdd:
      return map_tiles(task.x, task.y, task.count, task.out,
                       [factor](float x, float y) { return fma_f32(factor, x, y); });
    case ElementwiseKind::kMultiply:
      return map_tiles(task.x, task.y, task.count, task.out,
                       [](float x, float y) { return x * y; });
    case ElementwiseKind::kCut:
      return map_tiles(task.x, task.count, task.out,
                       [factor](float x) { return relu_f32(x - factor); });
    case ElementwiseKind::kSoftCap:
      return map_tiles(task.x, task.count, task.out,
                       [factor](float x) { return factor * tanh_f32(x / factor); });
  }
}

}  // namespace freehold::ops
