#include "ops/math/functions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

// libm is the yardstick here, in long double; never in the code under test.
namespace freehold::ops {
namespace {

constexpr float kHuge = std::numeric_limits<float>::max();
constexpr float kInf = std::numeric_limits<float>::infinity();
/// Distance between sampled bit patterns: prime, so that the low mantissa bits vary.
constexpr uint64_t kStride = 251;

float from_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
uint32_t to_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/// The distance of neighbouring floats at `exact`, normal numbers only.
double ulp(double exact) {
  int exponent = 0;
  std::frexp(std::max(std::fabs(exact), 0x1p-126), &exponent);
  return std::ldexp(1.0, exponent - 24);
}

struct Worst {
  double ulps = 0;
  double absolute = 0;  // relative to max(1, |x|)
  float at = 0;
  uint64_t samples = 0;
};

/// The worst error of `function` over every kStride-th float in [low, high].
template <class Function, class Exact>
Worst worst_error(Function function, Exact exact, float low, float high, uint64_t first = 0) {
  Worst worst;
  for (uint64_t bits = first; bits <= 0xFFFFFFFFu; bits += kStride) {
    const float x = from_bits(static_cast<uint32_t>(bits));
    if (!(x >= low && x <= high)) continue;
    ++worst.samples;
    const double want = static_cast<double>(exact(static_cast<double>(x)));
    const double error = std::fabs(static_cast<double>(function(x)) - want);
    if (!(error / ulp(want) <= worst.ulps)) {
      worst.ulps = error / ulp(want);
      worst.at = x;
    }
    const double size = std::max(1.0, std::fabs(static_cast<double>(x)));
    if (!(error / size <= worst.absolute)) worst.absolute = error / size;
  }
  return worst;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu_tanh(double x) {
  return x * sigmoid(2 * std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
}
double gelu_erf(double x) { return x / 2 * std::erfc(-x * std::sqrt(0.5)); }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }

TEST(Functions, ExpErrorAndEnds) {
  const Worst worst = worst_error([](float x) { return exp_f32(x); },
                                  [](double x) { return std::exp(x); }, kExpSmallest, kExpLargest);
  EXPECT_GT(worst.samples, 8'000'000u);
  EXPECT_LE(worst.ulps, 0.86) << "at " << worst.at;
  EXPECT_EQ(to_bits(exp_f32(0.0f)), to_bits(1.0f));
  EXPECT_EQ(to_bits(exp_f32(-0.0f)), to_bits(1.0f));
  EXPECT_EQ(to_bits(exp_f32(-kInf)), 0u);
  EXPECT_EQ(to_bits(exp_f32(-kHuge)), 0u);
  EXPECT_EQ(to_bits(exp_f32(std::nextafter(kExpSmallest, -kInf))), 0u);
  EXPECT_GE(exp_f32(kExpSmallest), 0x1p-126f);
  EXPECT_TRUE(std::isfinite(exp_f32(kExpLargest)));
  EXPECT_EQ(exp_f32(std::nextafter(kExpLargest, kInf)), kInf);
  EXPECT_EQ(exp_f32(kInf), kInf);
  EXPECT_TRUE(std::isnan(exp_f32(std::nanf(""))));
}

TEST(Functions, ExpIsNeverSubnormalAndNeverFalls) {
  float before = 0;
  for (uint32_t bits = to_bits(-88.0f); bits >= to_bits(-87.0f); --bits) {
    const float y = exp_f32(from_bits(bits));
    EXPECT_TRUE(y == 0 || y >= 0x1p-126f);
    EXPECT_GE(y, before);
    before = y;
    if (HasFailure()) break;
  }
}

TEST(Functions, LogErrorAndEnds) {
  const Worst worst = worst_error([](float x) { return log_f32(x); },
                                  [](double x) { return std::log(x); }, 0x1p-149f, kHuge);
  EXPECT_GT(worst.samples, 8'000'000u);
  EXPECT_LE(worst.ulps, 0.80) << "at " << worst.at;
  EXPECT_EQ(to_bits(log_f32(1.0f)), 0u);
  EXPECT_EQ(log_f32(0.0f), -kInf);
  EXPECT_EQ(log_f32(-0.0f), -kInf);
  EXPECT_EQ(log_f32(kInf), kInf);
  EXPECT_TRUE(std::isnan(log_f32(-1.0f)));
  EXPECT_TRUE(std::isnan(log_f32(-kInf)));
  EXPECT_TRUE(std::isnan(log_f32(std::nanf(""))));
}

TEST(Functions, TanhErrorAndEnds) {
  const Worst worst = worst_error([](float x) { return tanh_f32(x); },
                                  [](double x) { return std::tanh(x); }, -kHuge, kHuge, 3);
  EXPECT_LE(worst.ulps, 1.33) << "at " << worst.at;
  EXPECT_EQ(to_bits(tanh_f32(-0.0f)), 0x80000000u);
  EXPECT_EQ(tanh_f32(kInf), 1.0f);
  EXPECT_EQ(tanh_f32(-kInf), -1.0f);
  EXPECT_EQ(tanh_f32(kHuge), 1.0f);
  EXPECT_TRUE(std::isnan(tanh_f32(std::nanf(""))));
  for (uint64_t bits = 0; bits < 0x7F800000u; bits += 1009) {
    const float x = from_bits(static_cast<uint32_t>(bits));
    ASSERT_EQ(to_bits(tanh_f32(-x)), to_bits(-tanh_f32(x)));
  }
}

TEST(Functions, SigmoidAndSilu) {
  const auto silu = [](double x) { return x / (1 + std::exp(-x)); };
  const auto sigmoid_ours = [](float x) { return sigmoid_f32(x); };
  const auto silu_ours = [](float x) { return silu_f32(x); };
  Worst worst = worst_error(sigmoid_ours, sigmoid, kExpSmallest, kHuge);
  EXPECT_LE(worst.ulps, 2.3) << "at " << worst.at;
  EXPECT_LE(worst_error(sigmoid_ours, sigmoid, -kHuge, kHuge, 7).absolute, 0x1p-23);
  worst = worst_error(silu_ours, silu, -kExpLargest, kHuge);
  EXPECT_LE(worst.ulps, 2.3) << "at " << worst.at;
  EXPECT_EQ(to_bits(silu_f32(-1000.0f)), 0x80000000u);
  EXPECT_EQ(to_bits(silu_f32(-0.0f)), 0x80000000u);
  EXPECT_EQ(silu_f32(kInf), kInf);
  EXPECT_EQ(sigmoid_f32(0.0f), 0.5f);
}

TEST(Functions, GeluBothForms) {
  const auto tanh_form = [](float x) { return gelu_tanh_f32(x); };
  const auto erf_form = [](float x) { return gelu_erf_f32(x); };
  EXPECT_LE(worst_error(tanh_form, gelu_tanh, -1, kHuge).ulps, 2.5);
  EXPECT_LE(worst_error(tanh_form, gelu_tanh, -10, 0).ulps, 170);
  EXPECT_LE(worst_error(tanh_form, gelu_tanh, -kHuge, kHuge, 5).absolute, 1.25e-7);
  EXPECT_LE(worst_error(erf_form, gelu_erf, -1, kHuge).ulps, 3.6);
  EXPECT_LE(worst_error(erf_form, gelu_erf, -13, 0).ulps, 19);
  EXPECT_LE(worst_error(erf_form, gelu_erf, -kHuge, kHuge, 5).absolute, 1.25e-7);
  for (const float x : {-kHuge, -100.0f}) {
    EXPECT_EQ(to_bits(gelu_tanh_f32(x)), 0x80000000u);
    EXPECT_EQ(to_bits(gelu_erf_f32(x)), 0x80000000u);
  }
  for (const float x : {0.0f, -0.0f, 100.0f, kHuge, kInf}) {
    EXPECT_EQ(to_bits(gelu_tanh_f32(x)), to_bits(x));
    EXPECT_EQ(to_bits(gelu_erf_f32(x)), to_bits(x));
  }
  EXPECT_TRUE(std::isnan(gelu_erf_f32(std::nanf(""))));
  EXPECT_TRUE(std::isnan(gelu_tanh_f32(std::nanf(""))));
  // The two forms are different functions: swapping them must not go unseen.
  EXPECT_GT(std::fabs(gelu_tanh_f32(-2.0f) - gelu_erf_f32(-2.0f)), 5e-5f);
}

TEST(Functions, Softplus) {
  const auto ours = [](float x) { return softplus_f32(x); };
  const Worst worst = worst_error(ours, softplus, kExpSmallest, kHuge);
  EXPECT_LE(worst.ulps, 2.0) << "at " << worst.at;
  EXPECT_EQ(to_bits(softplus_f32(-kInf)), 0u);
  EXPECT_EQ(softplus_f32(kInf), kInf);
  EXPECT_TRUE(std::isnan(softplus_f32(std::nanf(""))));
}

// Mutants: plausible other exponentials. Each differs from ours in some bit, so that a switch would
// change the profile's vectors; the second and third are also worse than the stated error.
float exp_mutant_libm(float x) { return std::exp(x); }
float exp_mutant_one_step_ln2(float x) {
  const float n = std::nearbyint(x * 0x1.715476p+0f);
  const float r = fma_f32(-n, 0x1.62e43p-1f, x);
  return std::ldexp(std::exp(r), static_cast<int>(n));
}
float exp_mutant_short_polynomial(float x) {
  const float n = std::nearbyint(x * 0x1.715476p+0f);
  const float r = fma_f32(-n, -0x1.05c61p-29f, fma_f32(-n, 0x1.62e43p-1f, x));
  float q = 1.0f / 24;
  q = fma_f32(q, r, 1.0f / 6);
  q = fma_f32(q, r, 0.5f);
  q = fma_f32(q, r, 1.0f);
  return std::ldexp(fma_f32(q, r, 1.0f), static_cast<int>(n));
}

TEST(Functions, MutantsOfExpAreSeen) {
  uint64_t libm_differs = 0;
  for (float x = -80; x < 80; x += 0.00390625f * 1.37f) {
    if (to_bits(exp_mutant_libm(x)) != to_bits(exp_f32(x))) ++libm_differs;
  }
  EXPECT_GT(libm_differs, 100u);
  const auto exact = [](double x) { return std::exp(x); };
  EXPECT_GT(worst_error(exp_mutant_one_step_ln2, exact, -80, 80, 11).ulps, 0.86);
  EXPECT_GT(worst_error(exp_mutant_short_polynomial, exact, -80, 80, 11).ulps, 0.86);
}

}  // namespace
}  // namespace freehold::ops
