#include "ops/elementwise/elementwise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ops/math/functions.h"
#include "ops/op_testing.h"

namespace freehold::ops {
namespace {

TEST(Elementwise, FastPathsEqualTheReference) {
  base::RandomStream random(1);
  for (size_t round = 0; round < 200; ++round) {
    const size_t count = round < 140 ? round : 100 + random.below(3000);
    const std::vector<float> x = awkward_row(random, count, 200);
    const std::vector<float> y = awkward_row(random, count);
    for (const ElementwiseKind kind :
         {ElementwiseKind::kAdd, ElementwiseKind::kScale, ElementwiseKind::kScaleAdd,
          ElementwiseKind::kMultiply, ElementwiseKind::kCut, ElementwiseKind::kSoftCap}) {
      Elementwise task{kind, x.data(), y.data(), 30.0f, count, nullptr};
      std::vector<float> want(count);
      task.out = want.data();
      elementwise_ref(task);
      for (const auto& [name, run] : fast_paths(&OpTable::elementwise)) {
        std::vector<float> out(count);
        task.out = out.data();
        run(task);
        ASSERT_EQ(first_difference(out, want), -1) << name << " count " << count;
        Elementwise in_place = task;
        out = x;
        in_place.x = in_place.out = out.data();
        run(in_place);
        ASSERT_EQ(first_difference(out, want), -1) << name << " out is x";
        const bool reads_y = kind == ElementwiseKind::kAdd || kind == ElementwiseKind::kScaleAdd ||
                             kind == ElementwiseKind::kMultiply;
        if (!reads_y) continue;
        out = y;
        task.y = task.out = out.data();
        run(task);
        ASSERT_EQ(first_difference(out, want), -1) << name << " out is y";
        task.y = y.data();
      }
    }
  }
}

TEST(Elementwise, SoftCapIsOddAndBounded) {
  const float x[] = {0, 1000, -1000, 3, -3};
  float out[5];
  elementwise_ref({ElementwiseKind::kSoftCap, x, nullptr, 30.0f, 5, out});
  EXPECT_EQ(out[0], 0);
  EXPECT_EQ(out[1], 30);
  EXPECT_EQ(out[2], -30);
  EXPECT_NEAR(out[3], 30 * std::tanh(0.1), 1e-6);
  EXPECT_EQ(out[4], -out[3]);
}

// Mutant: the product rounded before the sum.
TEST(Elementwise, MutantUnfusedSumIsSeen) {
  base::RandomStream random(3);
  const std::vector<float> x = plain_row(random, 1000, 60);
  const std::vector<float> y = plain_row(random, 1000, 60);
  std::vector<float> out(x.size()), mutant(x.size());
  elementwise_ref({ElementwiseKind::kScaleAdd, x.data(), y.data(), 0.3f, x.size(), out.data()});
  for (size_t i = 0; i < x.size(); ++i) {
    const float product = 0.3f * x[i];
    mutant[i] = product + y[i];
  }
  EXPECT_GE(first_difference(out, mutant), 0);
}

// Mutant: multiplying by the reciprocal of the cap.
TEST(Elementwise, MutantReciprocalCapIsSeen) {
  base::RandomStream random(2);
  const std::vector<float> x = plain_row(random, 1000, 60);
  std::vector<float> out(x.size()), mutant(x.size());
  elementwise_ref({ElementwiseKind::kSoftCap, x.data(), nullptr, 30.0f, x.size(), out.data()});
  for (size_t i = 0; i < x.size(); ++i) mutant[i] = 30.0f * tanh_f32(x[i] * (1.0f / 30.0f));
  EXPECT_GE(first_difference(out, mutant), 0);
}

}  // namespace
}  // namespace freehold::ops
