#include "ops/gated_unit/gated_unit.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "ops/op_testing.h"

namespace freehold::ops {
namespace {

constexpr GateActivation kActivations[] = {GateActivation::kSilu, GateActivation::kGeluTanh,
                                           GateActivation::kGeluErf, GateActivation::kRelu,
                                           GateActivation::kTanh};

/// A row of gates: awkward values, some far out, some infinite.
std::vector<float> gate_row(base::RandomStream& random, size_t count) {
  std::vector<float> row = awkward_row(random, count, 30);
  for (float& value : row) {
    const uint32_t kind = random.below(40);
    if (kind == 0) value *= 10;
    if (kind == 1) value = std::numeric_limits<float>::infinity();
    if (kind == 2) value = -std::numeric_limits<float>::infinity();
  }
  return row;
}

TEST(GatedUnit, FastPathsEqualTheReference) {
  base::RandomStream random(1);
  for (size_t round = 0; round < 200; ++round) {
    const size_t count = round < 140 ? round : 100 + random.below(9000);
    const std::vector<float> gate = gate_row(random, count);
    const std::vector<float> up = awkward_row(random, count);
    for (const GateActivation activation : kActivations) {
      std::vector<float> want(count);
      gated_unit_ref({activation, gate.data(), up.data(), count, want.data()});
      for (const auto& [name, run] : fast_paths(&OpTable::gated_unit)) {
        std::vector<float> out(count);
        run({activation, gate.data(), up.data(), count, out.data()});
        ASSERT_EQ(first_difference(out, want), -1) << name << " count " << count;
        out = gate;
        run({activation, out.data(), up.data(), count, out.data()});
        ASSERT_EQ(first_difference(out, want), -1) << name << " out is gate";
        out = up;
        run({activation, gate.data(), out.data(), count, out.data()});
        ASSERT_EQ(first_difference(out, want), -1) << name << " out is up";
      }
    }
  }
}

TEST(GatedUnit, WithoutUpTheActivationStandsAlone) {
  base::RandomStream random(3);
  for (const size_t count : {size_t{1}, size_t{63}, size_t{64}, size_t{1500}}) {
    const std::vector<float> gate = gate_row(random, count);
    const std::vector<float> ones(count, 1.0f);
    for (const GateActivation activation : kActivations) {
      std::vector<float> want(count);
      gated_unit_ref({activation, gate.data(), nullptr, count, want.data()});
      std::vector<float> times_one(count);
      gated_unit_ref({activation, gate.data(), ones.data(), count, times_one.data()});
      EXPECT_EQ(first_difference(times_one, want), -1);
      for (const auto& [name, run] : fast_paths(&OpTable::gated_unit)) {
        std::vector<float> out = gate;
        run({activation, out.data(), nullptr, count, out.data()});
        ASSERT_EQ(first_difference(out, want), -1) << name << " count " << count;
      }
    }
  }
}

TEST(GatedUnit, ActivatesTheGateAndNotUp) {
  const float gate[] = {0, 2, -2, 100};
  const float up[] = {5, 3, 1, 2};
  float out[4];
  gated_unit_ref({GateActivation::kRelu, gate, up, 4, out});
  EXPECT_EQ(out[0], 0);
  EXPECT_EQ(out[1], 6);
  EXPECT_EQ(out[2], 0);
  gated_unit_ref({GateActivation::kSilu, gate, up, 4, out});
  EXPECT_NEAR(out[1], 3 * 2 / (1 + std::exp(-2.0)), 1e-6);
  EXPECT_EQ(out[3], 200);
}

// Mutants: the exponential of libm, the sigmoid taken first, and gelu's other form.
TEST(GatedUnit, MutantsAreSeen) {
  base::RandomStream random(2);
  const size_t count = 4096;
  const std::vector<float> gate = plain_row(random, count, 10);
  const std::vector<float> up = plain_row(random, count);
  std::vector<float> silu(count), gelu(count), libm(count), sigmoid_first(count), erf_form(count);
  gated_unit_ref({GateActivation::kSilu, gate.data(), up.data(), count, silu.data()});
  gated_unit_ref({GateActivation::kGeluTanh, gate.data(), up.data(), count, gelu.data()});
  for (size_t i = 0; i < count; ++i) {
    libm[i] = (gate[i] / (1.0f + std::exp(-gate[i]))) * up[i];
    sigmoid_first[i] = gate[i] * (1.0f / (1.0f + std::exp(-gate[i]))) * up[i];
    erf_form[i] = gate[i] * 0.5f * (1.0f + std::erf(gate[i] * 0.70710678f)) * up[i];
  }
  EXPECT_GE(first_difference(silu, libm), 0);
  EXPECT_GE(first_difference(silu, sigmoid_first), 0);
  EXPECT_GE(first_difference(gelu, erf_form), 0);
}

}  // namespace
}  // namespace freehold::ops
