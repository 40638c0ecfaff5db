#include "ops/rms_norm/rms_norm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ops/math/lanes.h"
#include "ops/op_testing.h"

namespace freehold::ops {
namespace {

struct Case {
  std::vector<float> x, weight, y;
  RmsNorm task;
};

Case make_case(base::RandomStream& random, size_t rows, size_t width, bool weighted) {
  Case c;
  const size_t stride = width + random.below(5);
  c.x = awkward_row(random, rows * stride);
  c.weight = plain_row(random, width, 2);
  c.y.assign(rows * stride, -7.0f);
  c.task.x_stride = c.task.y_stride = stride;
  c.task.rows = rows;
  c.task.width = width;
  c.task.eps = 1e-6f;
  c.task.weight = weighted ? c.weight.data() : nullptr;
  c.task.x = c.x.data();
  c.task.y = c.y.data();
  return c;
}

TEST(RmsNorm, FastPathsEqualTheReference) {
  base::RandomStream random(1);
  for (size_t round = 0; round < 300; ++round) {
    const size_t width = 1 + random.below(round % 3 == 0 ? 2000 : 200);
    Case want = make_case(random, 1 + random.below(3), width, round % 4 != 0);
    rms_norm_ref(want.task);
    for (const auto& [name, run] : fast_paths(&OpTable::rms_norm)) {
      std::vector<float> y(want.y.size(), -7.0f);
      RmsNorm task = want.task;
      task.y = y.data();
      run(task);
      ASSERT_EQ(first_difference(y, want.y), -1) << name << " width " << width;
      y = want.x;  // In place; what lies between rows stays.
      task.x = y.data();
      task.y = y.data();
      run(task);
      for (size_t row = 0; row < task.rows; ++row) {
        for (size_t i = 0; i < width; ++i) {
          ASSERT_EQ(y[row * task.y_stride + i], want.y[row * task.y_stride + i]) << name;
        }
        for (size_t i = width; i < task.x_stride; ++i) {
          ASSERT_EQ(y[row * task.x_stride + i], want.x[row * task.x_stride + i]) << name;
        }
      }
    }
  }
}

TEST(RmsNorm, IsTheMeanSquareNorm) {
  const std::vector<float> x = {3, -4, 0, 0};
  std::vector<float> y(4);
  RmsNorm task;
  task.x = x.data();
  task.y = y.data();
  task.rows = 1;
  task.width = 4;
  rms_norm_ref(task);
  EXPECT_EQ(y, (std::vector<float>{1.2f, -1.6f, 0, 0}));
}

// Mutants, each a norm that looks right.
float scale_of(float sum, size_t width, float eps) {
  return 1.0f / std::sqrt(sum / static_cast<float>(width) + eps);
}
std::vector<float> finish(const std::vector<float>& x, const std::vector<float>& w, float r) {
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = (x[i] * r) * w[i];
  return y;
}
std::vector<float> mutant_two_accumulators(const std::vector<float>& x,
                                           const std::vector<float>& w) {
  float acc[2] = {};
  for (size_t i = 0; i < x.size(); ++i) acc[i % 2] = std::fma(x[i], x[i], acc[i % 2]);
  return finish(x, w, scale_of(acc[0] + acc[1], x.size(), 1e-6f));
}
std::vector<float> mutant_reciprocal_mean(const std::vector<float>& x,
                                          const std::vector<float>& w) {
  const float sum = lanes_sum_of_squares(x.data(), x.size());
  const float mean = sum * (1.0f / static_cast<float>(x.size()));
  return finish(x, w, 1.0f / std::sqrt(mean + 1e-6f));
}
std::vector<float> mutant_weight_first(const std::vector<float>& x, const std::vector<float>& w) {
  const float r = scale_of(lanes_sum_of_squares(x.data(), x.size()), x.size(), 1e-6f);
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = x[i] * (r * w[i]);
  return y;
}
std::vector<float> mutant_divides_by_root(const std::vector<float>& x,
                                          const std::vector<float>& w) {
  const float sum = lanes_sum_of_squares(x.data(), x.size());
  const float root = std::sqrt(sum / static_cast<float>(x.size()) + 1e-6f);
  std::vector<float> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = (x[i] / root) * w[i];
  return y;
}

TEST(RmsNorm, MutantsAreSeen) {
  base::RandomStream random(2);
  size_t seen[4] = {};
  for (size_t round = 0; round < 20; ++round) {
    const size_t width = 576 + 3 * round;
    const std::vector<float> x = plain_row(random, width);
    const std::vector<float> w = plain_row(random, width);
    std::vector<float> y(width);
    RmsNorm task{x.data(), width, w.data(), 1e-6f, 1, width, y.data(), width};
    rms_norm_ref(task);
    seen[0] += first_difference(y, mutant_two_accumulators(x, w)) >= 0;
    seen[1] += first_difference(y, mutant_reciprocal_mean(x, w)) >= 0;
    seen[2] += first_difference(y, mutant_weight_first(x, w)) >= 0;
    seen[3] += first_difference(y, mutant_divides_by_root(x, w)) >= 0;
  }
  for (const size_t count : seen) EXPECT_GT(count, 0u);
}

}  // namespace
}  // namespace freehold::ops
