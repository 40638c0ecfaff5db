#include "ops/softmax_sum/softmax_sum.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "ops/math/functions.h"
#include "ops/op_testing.h"

namespace freehold::ops {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

struct Outcome {
  std::vector<float> p;
  std::vector<float> scalars = {0, 0};  // maximum, sum
};

Outcome run_on(void (*run)(const SoftmaxSum&), const std::vector<float>& x, bool in_place) {
  Outcome outcome;
  outcome.p = x;
  const float* source = in_place ? outcome.p.data() : x.data();
  run({source, x.size(), outcome.p.data(), &outcome.scalars[0], &outcome.scalars[1]});
  return outcome;
}

TEST(SoftmaxSum, FastPathsEqualTheReference) {
  base::RandomStream random(1);
  for (size_t round = 0; round < 300; ++round) {
    const size_t count = round < 200 ? round : 200 + random.below(40000);
    std::vector<float> x = plain_row(random, count, round % 2 == 0 ? 20.0f : 100.0f);
    for (float& value : x) {
      if (random.below(5) == 0) value = -kInf;
      if (round % 7 == 0) value = -std::fabs(value);  // A maximum of zero, of either sign.
      if (round % 7 == 0 && random.below(9) == 0) value = random.below(2) == 0 ? 0.0f : -0.0f;
      if (round % 11 == 0) value = -kInf;
    }
    const Outcome want = run_on(softmax_sum_ref, x, false);
    for (const auto& [name, run] : fast_paths(&OpTable::softmax_sum)) {
      for (const bool in_place : {false, true}) {
        const Outcome got = run_on(run, x, in_place);
        ASSERT_EQ(first_difference(got.p, want.p), -1) << name << " count " << count;
        ASSERT_EQ(first_difference(got.scalars, want.scalars), -1) << name << " count " << count;
      }
    }
  }
}

TEST(SoftmaxSum, MaskedAndEmpty) {
  const Outcome some = run_on(softmax_sum_ref, {-kInf, 1, -kInf, 1}, false);
  EXPECT_EQ(some.p, (std::vector<float>{0, 1, 0, 1}));
  EXPECT_EQ(some.scalars, (std::vector<float>{1, 2}));
  const Outcome none = run_on(softmax_sum_ref, {-kInf, -kInf}, false);
  EXPECT_EQ(none.p, (std::vector<float>{0, 0}));
  EXPECT_EQ(none.scalars, (std::vector<float>{-kInf, 0}));
  EXPECT_EQ(run_on(softmax_sum_ref, {}, false).scalars, (std::vector<float>{-kInf, 0}));
}

// Mutants: one running sum, and exponentials without the maximum.
TEST(SoftmaxSum, MutantsAreSeen) {
  base::RandomStream random(2);
  const std::vector<float> x = plain_row(random, 5000, 10);
  const Outcome want = run_on(softmax_sum_ref, x, false);
  EXPECT_NE(std::accumulate(want.p.begin(), want.p.end(), 0.0f), want.scalars[1]);
  std::vector<float> divided(x.size());
  for (size_t i = 0; i < x.size(); ++i) divided[i] = exp_f32(x[i]) / exp_f32(want.scalars[0]);
  EXPECT_GE(first_difference(want.p, divided), 0);
}

}  // namespace
}  // namespace freehold::ops
