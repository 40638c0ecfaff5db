#include "ops/row_moments/row_moments.h"

#include "ops/math/functions.h"
#include "ops/math/lanes.h"

namespace freehold::ops {

RowMoments row_moments(const float* x, size_t count) {
  const auto n = static_cast<float>(count);
  const float mean = lanes_sum(x, count) / n;
  return {mean, sqrt_f32(lanes_sum_of_centred_squares(x, mean, count) / n)};
}

float root_mean_square(const float* x, size_t count, float least) {
  const float mean = lanes_sum_of_squares(x, count) / static_cast<float>(count);
  return sqrt_f32(mean < least ? least : mean);
}

}  // namespace freehold::ops
