// Activation quantisation: the rule's vectors, every path equal to the reference, and its mutants.

#include "quant/activation.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "base/random.h"
#include "device/isa.h"

namespace freehold::quant {
namespace {

struct Quantised {
  bool finite = false;
  std::vector<int8_t> q;
  std::vector<float> d;
  std::vector<int16_t> sums;

  bool operator==(const Quantised& other) const {
    if (d.size() != other.d.size()) return false;
    for (size_t i = 0; i < d.size(); ++i) {
      if (std::bit_cast<uint32_t>(d[i]) != std::bit_cast<uint32_t>(other.d[i])) return false;
    }
    return finite == other.finite && q == other.q && sums == other.sums;
  }
};

Quantised run(QuantiseRowFn function, const std::vector<float>& x, ActivationGroup group) {
  const size_t padded = padded_width(x.size());
  const size_t values = static_cast<size_t>(group);
  Quantised out;
  // Filled with rubbish: whatever is not written shows.
  out.q.assign(padded, 99);
  out.d.assign((x.size() + values - 1) / values, 99.0f);
  out.sums.assign(padded / 16, 99);
  out.finite = function({x.data(), x.size(), group, out.q.data(), out.d.data(), out.sums.data()});
  return out;
}

std::vector<QuantiseRowFn> fast_paths() {
  std::vector<QuantiseRowFn> paths;
  for (const device::Isa isa : {device::Isa::kAvx2, device::Isa::kAvx512}) {
    if (isa <= device::best_isa()) paths.push_back(quantise_row(isa));
  }
  return paths;
}

// docs/NUMERICS.md, section 1, by hand: amax 127 makes d and 1 / d one, so halves are ties.
TEST(Quantise, TiesGoToEven) {
  std::vector<float> x(32, 0.0f);
  x[0] = 127.0f;
  x[1] = 0.5f;
  x[2] = 1.5f;
  x[3] = 2.5f;
  x[4] = -0.5f;
  x[5] = -1.5f;
  x[6] = -2.5f;
  const Quantised got = run(quantise_row_ref, x, ActivationGroup::k32);
  ASSERT_TRUE(got.finite);
  EXPECT_EQ(std::vector<int8_t>(got.q.begin(), got.q.begin() + 7),
            (std::vector<int8_t>{127, 0, 2, 2, 0, -2, -2}));
  EXPECT_EQ(got.d[0], 1.0f);
  EXPECT_EQ(got.sums[0], 127);
  EXPECT_EQ(got.sums[1], 0);
  EXPECT_EQ(got.q.size(), 256u);
  for (size_t i = 32; i < 256; ++i) EXPECT_EQ(got.q[i], 0);
}

TEST(Quantise, GroupsBelowTheFloorAreZero) {
  for (const float amax : {0.0f, 0x1p-149f, 0x1p-126f, std::nextafterf(0x1p-100f, 0.0f)}) {
    std::vector<float> x(64, amax);
    x[40] = 1.0f;
    for (const QuantiseRowFn path : fast_paths()) {
      const Quantised got = run(path, x, ActivationGroup::k32);
      EXPECT_TRUE(got.finite);
      EXPECT_EQ(std::bit_cast<uint32_t>(got.d[0]), 0u);
      EXPECT_EQ(got.q[0], 0);
      EXPECT_EQ(got.q[40], 127);
      EXPECT_EQ(got, run(quantise_row_ref, x, ActivationGroup::k32));
    }
  }
  const Quantised at_floor =
      run(quantise_row_ref, std::vector<float>(32, 0x1p-100f), ActivationGroup::k32);
  EXPECT_EQ(at_floor.q[0], 127);
  EXPECT_GT(at_floor.d[0], 0.0f);
}

TEST(Quantise, ShortLastGroupAndPadding) {
  std::vector<float> x(288, 1.0f);
  for (size_t i = 256; i < 288; ++i) x[i] = 2.0f;
  const Quantised got = run(quantise_row_ref, x, ActivationGroup::k256);
  ASSERT_EQ(got.d.size(), 2u);
  EXPECT_EQ(got.d[1], 2.0f / 127.0f);
  EXPECT_EQ(got.sums[17], 16 * 127);
  EXPECT_EQ(got.sums[18], 0);
}

std::vector<float> random_row(size_t width, base::RandomStream& random) {
  const int kind = static_cast<int>(random.below(5));
  std::vector<float> x(width);
  for (float& value : x) {
    value = random.uniform() - 0.5f;
    if (kind == 1) value = std::ldexp(value, static_cast<int>(random.below(250)) - 125);
    if (kind == 2) value = static_cast<float>(static_cast<int>(random.below(255)) - 127) / 2.0f;
    if (kind == 3) value = random.below(2) == 0 ? -0.0f : 0.0f;
    if (kind == 4) value = std::bit_cast<float>(random.next_u32() & 0xBFFFFFFFu);
  }
  if (kind == 2) x[0] = 127.0f;
  return x;
}

TEST(Quantise, EveryPathEqualsTheReference) {
  base::RandomStream random(11);
  ASSERT_FALSE(fast_paths().empty());
  for (int round = 0; round < 400; ++round) {
    const std::vector<float> x = random_row(32 * (1 + random.below(40)), random);
    for (const ActivationGroup group : {ActivationGroup::k32, ActivationGroup::k256}) {
      const Quantised expected = run(quantise_row_ref, x, group);
      EXPECT_TRUE(expected.finite);
      for (const QuantiseRowFn path : fast_paths()) EXPECT_EQ(run(path, x, group), expected);
    }
  }
}

TEST(Quantise, NotFiniteAnywhereFailsTheRow) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::bit_cast<float>(0xFF800001u);  // signalling, negative
  for (const size_t width : {size_t{32}, size_t{320}}) {
    for (size_t at = 0; at < width; at += 7) {
      for (const float bad : {infinity, -infinity, nan}) {
        std::vector<float> x(width, 3.0e38f);
        x[at] = bad;
        EXPECT_FALSE(all_finite(x.data(), width));
        const Quantised expected = run(quantise_row_ref, x, ActivationGroup::k256);
        EXPECT_FALSE(expected.finite);
        EXPECT_EQ(expected.q, std::vector<int8_t>(expected.q.size(), 0));
        for (const QuantiseRowFn path : fast_paths()) {
          EXPECT_EQ(run(path, x, ActivationGroup::k256), expected);
        }
      }
    }
  }
  const std::vector<float> fine(33, std::numeric_limits<float>::max());
  EXPECT_TRUE(all_finite(fine.data(), fine.size()));
}

// Mutants: wrong rules of 32 values that must not pass for the right one.

bool mutant_half_away(const QuantiseRow& task) {
  if (!quantise_row_ref(task)) return false;
  float amax = 0;
  for (size_t i = 0; i < 32; ++i) amax = std::fmax(amax, std::fabs(task.x[i]));
  for (size_t i = 0; i < 32; ++i) {
    task.q[i] = static_cast<int8_t>(std::round(task.x[i] * (127.0f / amax)));
  }
  return true;
}

bool mutant_divides(const QuantiseRow& task) {
  if (!quantise_row_ref(task)) return false;
  for (size_t i = 0; i < 32; ++i) {
    task.q[i] = static_cast<int8_t>(std::nearbyint(task.x[i] / task.d[0]));
  }
  return true;
}

bool mutant_maximum_drops_nan(const QuantiseRow& task) {
  float amax = 0;
  for (size_t i = 0; i < 32; ++i) {
    if (std::fabs(task.x[i]) > amax) amax = std::fabs(task.x[i]);
  }
  return amax <= std::numeric_limits<float>::max();
}

TEST(QuantiseMutants, HalfAwayFromZeroIsRejected) {
  std::vector<float> x(32, 0.5f);
  x[0] = 127.0f;
  const auto expected = run(quantise_row_ref, x, ActivationGroup::k32);
  EXPECT_FALSE(run(mutant_half_away, x, ActivationGroup::k32).q == expected.q);
}

TEST(QuantiseMutants, DividingByTheScaleIsRejected) {
  base::RandomStream random(5);
  int different = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<float> x(32);
    for (float& value : x) value = static_cast<float>(random.below(509)) / 4.0f;
    x[0] = 127.0f - static_cast<float>(random.below(64));
    const auto expected = run(quantise_row_ref, x, ActivationGroup::k32);
    if (!(run(mutant_divides, x, ActivationGroup::k32).q == expected.q)) ++different;
  }
  EXPECT_GT(different, 0);
}

TEST(QuantiseMutants, AMaximumThatDropsNanIsRejected) {
  std::vector<float> x(32, 1.0f);
  x[9] = std::numeric_limits<float>::quiet_NaN();
  const auto expected = run(quantise_row_ref, x, ActivationGroup::k32);
  EXPECT_NE(run(mutant_maximum_drops_nan, x, ActivationGroup::k32).finite, expected.finite);
}

}  // namespace
}  // namespace freehold::quant
