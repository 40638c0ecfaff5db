#include "ops/row_moments/row_moments.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ops/op_testing.h"

namespace freehold::ops {
namespace {

TEST(RowMoments, AreThoseOfBinary64ToAFewUnits) {
  base::RandomStream random(1);
  for (const size_t count : {1u, 2u, 31u, 32u, 33u, 200u, 16384u}) {
    std::vector<float> x = plain_row(random, count, 3);
    for (float& value : x) value += 1;
    double sum = 0, squares = 0, centred = 0;
    for (const float value : x) sum += value, squares += double{value} * value;
    const double mean = sum / static_cast<double>(count);
    for (const float value : x) centred += (value - mean) * (value - mean);
    const RowMoments got = row_moments(x.data(), count);
    EXPECT_NEAR(got.mean, mean, 2e-6) << count;
    EXPECT_NEAR(got.deviation, std::sqrt(centred / static_cast<double>(count)), 2e-6) << count;
    const double size = std::sqrt(squares / static_cast<double>(count));
    EXPECT_NEAR(root_mean_square(x.data(), count, 0), size, 2e-6) << count;
  }
}

TEST(RowMoments, ASmallRowHasTheLeastSize) {
  const std::vector<float> nothing(40, 0.0f);
  EXPECT_EQ(root_mean_square(nothing.data(), nothing.size(), 0.25f), 0.5f);
  const std::vector<float> alike(40, 2.0f);
  EXPECT_EQ(root_mean_square(alike.data(), alike.size(), 0.25f), 2.0f);
  EXPECT_EQ(row_moments(alike.data(), alike.size()).deviation, 0.0f);
}

// Mutants: the deviation of a sample (n - 1), and one running sum.
TEST(RowMoments, MutantsAreSeen) {
  base::RandomStream random(2);
  const std::vector<float> x = plain_row(random, 1000, 3);
  const RowMoments got = row_moments(x.data(), x.size());
  float sum = 0, centred = 0;
  for (const float value : x) sum += value;
  for (const float value : x) centred += (value - got.mean) * (value - got.mean);
  EXPECT_NE(sum / 1000.0f, got.mean);
  EXPECT_GT(std::fabs(std::sqrt(centred / 999.0f) - got.deviation), 1e-5f);
}

}  // namespace
}  // namespace freehold::ops
