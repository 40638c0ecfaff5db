#include "ops/math/lanes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/random.h"

namespace freehold::ops {
namespace {

std::vector<float> random_row(size_t count, uint64_t seed) {
  base::RandomStream random(seed);
  std::vector<float> row(count);
  for (float& value : row) value = (random.uniform() - 0.5f) * 8;
  return row;
}

/// Section 2 word by word: which accumulator, in which order, and the tree spelled out.
float sum_of_squares_by_the_book(const std::vector<float>& x) {
  float acc[32] = {};
  for (size_t i = 0; i < x.size(); ++i) acc[i % 32] = std::fma(x[i], x[i], acc[i % 32]);
  float by16[16], by8[8], by4[4], by2[2];
  for (size_t l = 0; l < 16; ++l) by16[l] = acc[l] + acc[l + 16];
  for (size_t l = 0; l < 8; ++l) by8[l] = by16[l] + by16[l + 8];
  for (size_t l = 0; l < 4; ++l) by4[l] = by8[l] + by8[l + 4];
  for (size_t l = 0; l < 2; ++l) by2[l] = by4[l] + by4[l + 2];
  return by2[0] + by2[1];
}

TEST(Lanes, FollowTheBook) {
  for (size_t count = 0; count < 200; ++count) {
    const std::vector<float> x = random_row(count, count);
    EXPECT_EQ(lanes_sum_of_squares(x.data(), count), sum_of_squares_by_the_book(x)) << count;
    const std::vector<float> centred(x);
    EXPECT_EQ(lanes_sum_of_centred_squares(x.data(), 0.0f, count), sum_of_squares_by_the_book(x));
    EXPECT_EQ(lanes_dot(x.data(), x.data(), count), sum_of_squares_by_the_book(x));
  }
}

TEST(Lanes, SumIsExactOnSmallIntegers) {
  std::vector<float> x(1000);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i);
  EXPECT_EQ(lanes_sum(x.data(), x.size()), 499500.0f);
}

// Mutants: two accumulators, a running sum, and multiply-then-add instead of fma.
float mutant_two_accumulators(const std::vector<float>& x) {
  float acc[2] = {};
  for (size_t i = 0; i < x.size(); ++i) acc[i % 2] = std::fma(x[i], x[i], acc[i % 2]);
  return acc[0] + acc[1];
}
float mutant_one_accumulator(const std::vector<float>& x) {
  float acc = 0;
  for (const float value : x) acc = std::fma(value, value, acc);
  return acc;
}
float mutant_unfused(const std::vector<float>& x) {
  return sum_by_lanes(x.size(), [&x](float sum, size_t i) {
    const float square = x[i] * x[i];
    return sum + square;
  });
}
float mutant_neighbour_tree(const std::vector<float>& x) {
  float acc[32] = {};
  for (size_t i = 0; i < x.size(); ++i) acc[i % 32] = std::fma(x[i], x[i], acc[i % 32]);
  for (size_t width = 32; width > 1; width /= 2) {
    for (size_t l = 0; l < width / 2; ++l) acc[l] = acc[2 * l] + acc[2 * l + 1];
  }
  return acc[0];
}

TEST(Lanes, MutantsAreSeen) {
  size_t seen[4] = {};
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const std::vector<float> x = random_row(1536 + seed, seed);
    const float sum = lanes_sum_of_squares(x.data(), x.size());
    seen[0] += mutant_two_accumulators(x) != sum;
    seen[1] += mutant_one_accumulator(x) != sum;
    seen[2] += mutant_unfused(x) != sum;
    seen[3] += mutant_neighbour_tree(x) != sum;
  }
  for (const size_t count : seen) EXPECT_GT(count, 0u);
}

}  // namespace
}  // namespace freehold::ops
