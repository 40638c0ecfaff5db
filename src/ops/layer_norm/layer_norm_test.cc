#include "ops/layer_norm/layer_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ops/math/lanes.h"
#include "ops/op_testing.h"

namespace freehold::ops {
namespace {

TEST(LayerNorm, FastPathsEqualTheReference) {
  base::RandomStream random(1);
  for (size_t round = 0; round < 300; ++round) {
    const size_t width = 1 + random.below(round % 3 == 0 ? 2000 : 200);
    const size_t rows = 1 + random.below(3);
    const size_t stride = width + random.below(5);
    const std::vector<float> x = awkward_row(random, rows * stride);
    const std::vector<float> weight = plain_row(random, width);
    const std::vector<float> bias = plain_row(random, width);
    std::vector<float> want(rows * stride, -7.0f);
    LayerNorm task{x.data(), stride, weight.data(), bias.data(), 1e-5f,
                   rows,     width,  want.data(),   stride};
    if (round % 4 == 1) task.bias = nullptr;
    if (round % 4 == 2) task.weight = nullptr;
    layer_norm_ref(task);
    for (const auto& [name, run] : fast_paths(&OpTable::layer_norm)) {
      std::vector<float> y(rows * stride, -7.0f);
      task.y = y.data();
      run(task);
      ASSERT_EQ(first_difference(y, want), -1) << name << " width " << width;
      LayerNorm in_place = task;
      y = x;
      in_place.x = in_place.y = y.data();
      run(in_place);
      for (size_t row = 0; row < rows; ++row) {
        for (size_t i = 0; i < width; ++i) {
          ASSERT_EQ(y[row * stride + i], want[row * stride + i]) << name;
        }
      }
    }
  }
}

TEST(LayerNorm, CentresAndScales) {
  const std::vector<float> x = {1, 3, 1, 3};
  std::vector<float> y(4);
  LayerNorm task;
  task.x = x.data();
  task.y = y.data();
  task.rows = 1;
  task.width = 4;
  layer_norm_ref(task);
  EXPECT_EQ(y, (std::vector<float>{-1, 1, -1, 1}));
}

// Mutants: the variance as E[x^2] - mean^2, and the last step as one fma.
TEST(LayerNorm, MutantsAreSeen) {
  base::RandomStream random(2);
  size_t seen[2] = {};
  for (size_t round = 0; round < 10; ++round) {
    const size_t width = 500 + 7 * round;
    const float n = static_cast<float>(width);
    const std::vector<float> x = plain_row(random, width);
    const std::vector<float> w = plain_row(random, width);
    std::vector<float> y(width);
    LayerNorm task{x.data(), width, w.data(), w.data(), 1e-5f, 1, width, y.data(), width};
    layer_norm_ref(task);
    const float mean = lanes_sum(x.data(), width) / n;
    const float two_moments = lanes_sum_of_squares(x.data(), width) / n - mean * mean;
    const float centred = lanes_sum_of_centred_squares(x.data(), mean, width) / n;
    std::vector<float> moments(width), fused(width);
    for (size_t i = 0; i < width; ++i) {
      moments[i] = ((x[i] - mean) * (1 / std::sqrt(two_moments + 1e-5f))) * w[i] + w[i];
      fused[i] = std::fma((x[i] - mean) * (1 / std::sqrt(centred + 1e-5f)), w[i], w[i]);
    }
    seen[0] += first_difference(y, moments) >= 0;
    seen[1] += first_difference(y, fused) >= 0;
  }
  for (const size_t count : seen) EXPECT_GT(count, 0u);
}

}  // namespace
}  // namespace freehold::ops
