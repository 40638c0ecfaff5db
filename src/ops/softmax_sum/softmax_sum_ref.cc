#include "ops/math/functions.h"
#include "ops/op_table.h"
#include "ops/softmax_sum/softmax_sum.h"

namespace freehold::ops {

void softmax_sum_ref(const SoftmaxSum& task) {
  float maximum = -detail::kInfinity;
  for (size_t i = 0; i < task.count; ++i) {
    if (task.x[i] > maximum) maximum = task.x[i];
  }
  maximum = maximum + 0.0f;  // -0 becomes +0, whichever zero came first.
  float lanes[32] = {};
  for (size_t i = 0; i < task.count; ++i) {
    const bool nothing = maximum == -detail::kInfinity;
    task.p[i] = nothing ? 0.0f : exp_f32(task.x[i] - maximum);
    lanes[i % 32] += task.p[i];
  }
  for (size_t step = 16; step > 0; step /= 2) {
    for (size_t lane = 0; lane < step; ++lane) lanes[lane] += lanes[lane + step];
  }
  *task.maximum = maximum;
  *task.sum = lanes[0];
}

}  // namespace freehold::ops
