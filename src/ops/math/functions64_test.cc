#include "ops/math/functions64.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/random.h"

// libm's long double functions are the yardstick here; never used in the code under test.
namespace freehold::ops {
namespace {

using Long = long double;

double unit(base::RandomStream& random) {
  return static_cast<double>(random.next_u64() >> 11) * 0x1p-53;
}

/// |ours - exact| in units in the last place of the exact binary64 result.
double ulps(double ours, Long exact) {
  int exponent = 0;
  std::frexp(static_cast<double>(exact), &exponent);
  return static_cast<double>(std::fabs(static_cast<Long>(ours) - exact) /
                             std::ldexp(1.0L, exponent - 53));
}

constexpr int kSamples = 400000;

TEST(Functions64, Exp2) {
  base::RandomStream random(1);
  double worst = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double x = (unit(random) * 2 - 1) * (i % 2 == 0 ? 1000 : 1);
    worst = std::max(worst, ulps(exp2_f64(x), std::exp2(static_cast<Long>(x))));
  }
  EXPECT_LE(worst, 0.89);
  for (int n = -1022; n <= 1023; ++n) ASSERT_EQ(exp2_f64(n), std::ldexp(1.0, n));
}

TEST(Functions64, Log2) {
  base::RandomStream random(2);
  double worst = 0;
  double worst_of_large = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double near = 0.5 + unit(random) * 1.5;
    worst = std::max(worst, ulps(log2_f64(near), std::log2(static_cast<Long>(near))));
    const double large = 32 + unit(random) * (i % 2 == 0 ? 1e8 : 1e4);
    worst_of_large =
        std::max(worst_of_large, ulps(log2_f64(large), std::log2(static_cast<Long>(large))));
  }
  EXPECT_LE(worst, 2.7);
  EXPECT_LE(worst_of_large, 0.7);
  for (int n = -1022; n <= 1023; ++n) ASSERT_EQ(log2_f64(std::ldexp(1.0, n)), n);
}

TEST(Functions64, SineAndCosine) {
  base::RandomStream random(3);
  double worst = 0;
  for (int i = 0; i < kSamples; ++i) {
    double x = std::exp2(unit(random) * 60 - 20) * (i % 2 == 0 ? 1 : -1);
    // Next to multiples of a quarter turn, where a poor reduction loses everything.
    if (i % 3 == 0) x = static_cast<double>(random.next_u32() >> 4) * 1.5707963267948966;
    const SineCosine ours = sine_cosine_f64(x);
    worst = std::max(worst, ulps(ours.sine, std::sin(static_cast<Long>(x))));
    worst = std::max(worst, ulps(ours.cosine, std::cos(static_cast<Long>(x))));
  }
  EXPECT_LE(worst, 0.79);
  EXPECT_EQ(sine_cosine_f64(0).sine, 0);
  EXPECT_EQ(sine_cosine_f64(0).cosine, 1);
}

TEST(Functions64, RoundedToF32TheyEqualLibm) {
  base::RandomStream random(4);
  int differ = 0;
  for (int i = 0; i < kSamples; ++i) {
    const double x = unit(random) * 0x1p24;
    const SineCosine ours = sine_cosine_f64(x);
    differ += static_cast<float>(ours.sine) != static_cast<float>(std::sin(x));
    differ += static_cast<float>(ours.cosine) != static_cast<float>(std::cos(x));
  }
  EXPECT_LE(differ, 1);
}

TEST(Functions64, Floor) {
  for (const double x : {0.0, 0.5, 1.5, 2.5, -0.5, -1.5, -2.0, 3.0, 1e9 + 0.75, -1e9 - 0.25}) {
    EXPECT_EQ(floor_f64(x), std::floor(x)) << x;
  }
}

// Mutants: quarter turns removed with two parts of pi/2 fused wrongly, or in binary32.
TEST(Functions64, MutantReductionsAreSeen) {
  base::RandomStream random(5);
  double worst_one_part = 0;
  int float_differs = 0;
  for (int i = 0; i < 10000; ++i) {
    const double x = unit(random) * 0x1p20;
    const double n = std::nearbyint(x * 0x1.45f306dc9c883p-1);
    const double r = fma_f64(-n, 0x1.921fb54442d18p+0, x);  // The first part only.
    const int quarter = static_cast<int>(std::fmod(n, 4));
    const double sines[] = {std::sin(r), std::cos(r), -std::sin(r), -std::cos(r)};
    worst_one_part = std::max(worst_one_part, ulps(sines[quarter], std::sin(static_cast<Long>(x))));
    float_differs += std::sin(static_cast<float>(x)) != static_cast<float>(sine_cosine_f64(x).sine);
  }
  EXPECT_GT(worst_one_part, 100);
  EXPECT_GT(float_differs, 5000);
}

}  // namespace
}  // namespace freehold::ops
