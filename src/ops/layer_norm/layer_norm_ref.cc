#include "ops/layer_norm/layer_norm.h"
#include "ops/math/functions.h"
#include "ops/op_table.h"

namespace freehold::ops {
namespace {

float fold(float* lanes) {
  for (size_t step = 16; step > 0; step /= 2) {
    for (size_t lane = 0; lane < step; ++lane) lanes[lane] += lanes[lane + step];
  }
  return lanes[0];
}

void normalise_row(const LayerNorm& task, const float* x, float* y) {
  const float width = static_cast<float>(task.width);
  float sums[32] = {};
  for (size_t i = 0; i < task.width; ++i) sums[i % 32] += x[i];
  const float mean = fold(sums) / width;
  float squares[32] = {};
  for (size_t i = 0; i < task.width; ++i) {
    const float centred = x[i] - mean;
    squares[i % 32] = fma_f32(centred, centred, squares[i % 32]);
  }
  const float r = 1.0f / sqrt_f32(fold(squares) / width + task.eps);
  for (size_t i = 0; i < task.width; ++i) {
    float value = (x[i] - mean) * r;
    if (task.weight != nullptr) value = value * task.weight[i];
    if (task.bias != nullptr) value = value + task.bias[i];
    y[i] = value;
  }
}

}  // namespace

void layer_norm_ref(const LayerNorm& task) {
  for (size_t row = 0; row < task.rows; ++row) {
    normalise_row(task, task.x + row * task.x_stride, task.y + row * task.y_stride);
  }
}

}  // namespace freehold::ops
