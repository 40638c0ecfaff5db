#include "ops/elementwise/elementwise.h"
#include "ops/math/functions.h"
#include "ops/op_table.h"

namespace freehold::ops {

void elementwise_ref(const Elementwise& task) {
  for (size_t i = 0; i < task.count; ++i) {
    switch (task.kind) {
      case ElementwiseKind::kAdd:
        task.out[i] = task.x[i] + task.y[i];
        break;
      case ElementwiseKind::kScale:
        task.out[i] = task.x[i] * task.factor;
        break;
      case ElementwiseKind::kScaleAdd:
        task.out[i] = fma_f32(task.factor, task.x[i], task.y[i]);
        break;
      case ElementwiseKind::kMultiply:
        task.out[i] = task.x[i] * task.y[i];
        break;
      case ElementwiseKind::kCut:
        task.out[i] = relu_f32(task.x[i] - task.factor);
        break;
      case ElementwiseKind::kSoftCap:
        task.out[i] = task.factor * tanh_f32(task.x[i] / task.factor);
        break;
    }
  }
}

}  // namespace freehold::ops
