#include "ops/math/functions.h"
#include "ops/op_table.h"
#include "ops/rms_norm/rms_norm.h"

namespace freehold::ops {

void rms_norm_ref(const RmsNorm& task) {
  for (size_t row = 0; row < task.rows; ++row) {
    const float* x = task.x + row * task.x_stride;
    float* y = task.y + row * task.y_stride;
    float lanes[32] = {};
    for (size_t i = 0; i < task.width; ++i) lanes[i % 32] = fma_f32(x[i], x[i], lanes[i % 32]);
    for (size_t step = 16; step > 0; step /= 2) {
      for (size_t lane = 0; lane < step; ++lane) lanes[lane] += lanes[lane + step];
    }
    if (task.finite != nullptr && !(abs_f32(lanes[0]) < kSumLimit)) *task.finite = false;
    const float mean_square = lanes[0] / static_cast<float>(task.width);
    const float r = 1.0f / sqrt_f32(mean_square + task.eps);
    for (size_t i = 0; i < task.width; ++i) {
      const float normal = x[i] * r;
      y[i] = task.weight != nullptr ? normal * task.weight[i] : normal;
    }
  }
}

}  // namespace freehold::ops
