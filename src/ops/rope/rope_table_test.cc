#include "ops/rope/rope_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

// The rules of the field written a second time, with libm, and compared to one part in 1e13: what
// must hold exactly is checked by the vectors (golden/numerics/vectors.txt).
namespace freehold::ops {
namespace {

constexpr double kTolerance = 1e-13;

RopeTable table(const RopeScaling& scaling) { return MUST(RopeTable::create(scaling)); }

double base_frequency(const RopeScaling& scaling, size_t pair) {
  return std::pow(scaling.freq_base,
                  -2.0 * static_cast<double>(pair) / static_cast<double>(scaling.rotary_dim));
}

void expect_close(double ours, double want, const char* what) {
  EXPECT_NEAR(ours / want, 1, kTolerance) << what;
}

RopeScaling plain(uint32_t dim = 128, double base = 1e6) {
  RopeScaling scaling;
  scaling.rotary_dim = dim;
  scaling.freq_base = base;
  return scaling;
}

TEST(RopeTable, PlainFrequenciesAndRows) {
  const RopeScaling scaling = plain(64, 10000);
  const RopeTable t = table(scaling);
  ASSERT_EQ(t.pairs(), 32u);
  EXPECT_EQ(t.inverse_frequencies()[0], 1.0);
  EXPECT_EQ(t.magnitude(), 1.0);
  for (size_t i = 0; i < t.pairs(); ++i) {
    expect_close(t.inverse_frequencies()[i], base_frequency(scaling, i), "frequency");
  }
  std::vector<float> cosine(32), sine(32);
  for (const uint32_t position : {0u, 1u, 511u, 40961u, 16777216u}) {
    t.fill_row(position, cosine.data(), sine.data());
    for (size_t i = 0; i < t.pairs(); ++i) {
      const double angle = position * t.inverse_frequencies()[i];
      EXPECT_EQ(cosine[i], static_cast<float>(std::cos(angle)));
      EXPECT_EQ(sine[i], static_cast<float>(std::sin(angle)));
    }
  }
}

TEST(RopeTable, LinearAndFactors) {
  RopeScaling scaling = plain();
  scaling.kind = RopeScalingKind::kLinear;
  scaling.factor = 8;
  scaling.factors.assign(64, 1.0f);
  scaling.factors[3] = 4;
  const RopeTable t = table(scaling);
  expect_close(t.inverse_frequencies()[2], base_frequency(scaling, 2) / 8, "linear");
  expect_close(t.inverse_frequencies()[3], base_frequency(scaling, 3) / 32, "with a factor");
}

/// YaRN as its paper and the engines of the field have it.
double yarn_frequency(const RopeScaling& s, size_t pair) {
  const auto index = [&s](double rotations) {
    return s.rotary_dim * std::log(s.original_context / (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(s.freq_base));
  };
  const double low = std::max(0.0, std::floor(index(s.beta_fast)));
  const double high = std::min(s.rotary_dim - 1.0, std::ceil(index(s.beta_slow)));
  const double ramp =
      std::clamp((static_cast<double>(pair) - low) / std::max(0.001, high - low), 0.0, 1.0);
  const double f = base_frequency(s, pair);
  return f / s.factor * ramp + f * (1 - ramp);
}

TEST(RopeTable, Yarn) {
  RopeScaling scaling = plain(128, 1e6);
  scaling.kind = RopeScalingKind::kYarn;
  scaling.factor = 4;
  scaling.original_context = 32768;
  RopeTable t = table(scaling);
  for (size_t i = 0; i < 64; ++i) {
    expect_close(t.inverse_frequencies()[i], yarn_frequency(scaling, i), "yarn");
  }
  EXPECT_EQ(t.inverse_frequencies()[0], 1.0);  // The fastest pair is kept,
  expect_close(t.inverse_frequencies()[63], base_frequency(scaling, 63) / 4,
               "slow");  // the last not.
  expect_close(t.magnitude(), 0.1 * std::log(4.0) + 1, "magnitude");
  std::vector<float> cosine(64), sine(64);
  t.fill_row(0, cosine.data(), sine.data());
  EXPECT_EQ(cosine[0], static_cast<float>(0.1 * std::log(4.0) + 1));

  scaling.log_multiplier = 0.707;
  scaling.attention_factor = 2;
  t = table(scaling);
  expect_close(t.magnitude(), 2 * (0.1 * std::log(4.0) + 1) / (0.1 * 0.707 * std::log(4.0) + 1),
               "multiplier");
  scaling.extrapolation = 0;  // Then it is linear scaling and nothing else.
  t = table(scaling);
  EXPECT_EQ(t.magnitude(), 2);
  expect_close(t.inverse_frequencies()[0], 0.25, "no extrapolation");
}

TEST(RopeTable, Llama3ByRuleEqualsItsFactors) {
  RopeScaling scaling = plain(64, 500000);
  scaling.kind = RopeScalingKind::kLlama3;
  scaling.factor = 32;
  scaling.original_context = 8192;
  const RopeTable t = table(scaling);
  size_t kept = 0, stretched = 0, between = 0;
  RopeScaling by_factors = plain(64, 500000);
  for (size_t i = 0; i < 32; ++i) {
    const double f = base_frequency(scaling, i);
    const double wave = 2 * std::numbers::pi / f;
    double factor = 1;  // As converters write rope_freqs.weight.
    if (wave > 8192.0 / 1) {
      factor = 32;
      ++stretched;
    } else if (wave < 8192.0 / 4) {
      ++kept;
    } else {
      const double smooth = (8192 / wave - 1) / 3;
      factor = 1 / ((1 - smooth) / 32 + smooth);
      ++between;
    }
    by_factors.factors.push_back(static_cast<float>(factor));
    expect_close(t.inverse_frequencies()[i], f / factor, "llama3");
  }
  EXPECT_GT(kept, 0u);
  EXPECT_GT(stretched, 0u);
  EXPECT_GT(between, 0u);
  const RopeTable from_file = table(by_factors);
  for (size_t i = 0; i < 32; ++i) {
    EXPECT_NEAR(from_file.inverse_frequencies()[i] / t.inverse_frequencies()[i], 1, 1e-7);
  }
}

TEST(RopeTable, LongRopePicksOneSet) {
  RopeScaling scaling = plain(8, 10000);
  scaling.kind = RopeScalingKind::kLongRope;
  scaling.original_context = 4096;
  scaling.short_factors = {1, 1, 1, 2};
  scaling.long_factors = {4, 8, 16, 32};
  scaling.context = 4096;
  expect_close(table(scaling).inverse_frequencies()[3], base_frequency(scaling, 3) / 2, "short");
  scaling.context = 4097;
  expect_close(table(scaling).inverse_frequencies()[3], base_frequency(scaling, 3) / 32, "long");
  expect_close(longrope_attention_factor(32, 4096), std::sqrt(1 + std::log(32) / std::log(4096)),
               "attention factor");
  EXPECT_EQ(longrope_attention_factor(1, 4096), 1);
}

TEST(RopeTable, NonsenseIsRefused) {
  const auto refused = [](const RopeScaling& scaling) {
    const auto result = RopeTable::create(scaling);
    return !result.ok() && result.error().code == ErrorCode::kDamaged;
  };
  const double bad[] = {0, -1, std::numeric_limits<double>::infinity(),
                        std::numeric_limits<double>::quiet_NaN()};
  for (const double value : bad) {
    RopeScaling scaling = plain();
    scaling.freq_base = value;
    EXPECT_TRUE(refused(scaling));
    scaling = plain();
    scaling.factor = value;
    EXPECT_TRUE(refused(scaling));
    scaling.factor = 1;
    scaling.kind = RopeScalingKind::kYarn;
    scaling.original_context = value;
    EXPECT_TRUE(refused(scaling));
    scaling = plain();
    scaling.factors.assign(64, static_cast<float>(value));
    EXPECT_TRUE(refused(scaling));
  }
  EXPECT_TRUE(refused(plain(127)));
  RopeScaling scaling = plain();
  scaling.factors.assign(63, 1);
  EXPECT_TRUE(refused(scaling));
  scaling.factors.assign(64, 1e-30f);  // Frequencies beyond what the sine is made for.
  EXPECT_TRUE(refused(scaling));
  scaling = plain();
  scaling.kind = RopeScalingKind::kLongRope;
  scaling.original_context = 4096;
  EXPECT_TRUE(refused(scaling));
  EXPECT_TRUE(RopeTable::create(plain(0)).ok());
}

TEST(AttentionTemperature, GrowsByWholeContextsAndIsOneInTheFirst) {
  for (const uint32_t position : {0u, 1u, 16383u})
    EXPECT_EQ(attention_temperature(position, 0.1, 16384), 1.0f);
  for (const uint32_t contexts : {1u, 2u, 3u, 16u, 1000u}) {
    const auto want = static_cast<float>(1.0 + 0.1 * std::log(1.0 + contexts));
    EXPECT_EQ(attention_temperature(contexts * 100, 0.1, 100), want) << contexts;
    EXPECT_EQ(attention_temperature(contexts * 100 + 99, 0.1, 100), want) << contexts;
    EXPECT_LT(attention_temperature(contexts * 100 - 1, 0.1, 100), want) << contexts;
  }
}

// Mutants: powers taken in binary32, as common engines do, and the table rounded twice.
TEST(RopeTable, MutantsAreSeen) {
  const RopeScaling scaling = plain(128, 1e6);
  const RopeTable t = table(scaling);
  std::vector<float> cosine(64), sine(64);
  t.fill_row(30011, cosine.data(), sine.data());
  size_t running_power = 0, float_angle = 0;
  float theta = 30011.0f;
  const float step = std::pow(1e6f, -2.0f / 128);
  for (size_t i = 0; i < 64; ++i) {
    running_power += std::cos(theta) != cosine[i];
    theta *= step;
    float_angle += std::cos(30011.0f * static_cast<float>(t.inverse_frequencies()[i])) != cosine[i];
  }
  EXPECT_GT(running_power, 30u);
  EXPECT_GT(float_angle, 30u);
}

}  // namespace
}  // namespace freehold::ops
