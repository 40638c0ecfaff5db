// Nanoseconds of each small operation on each rung, one thread, data in cache.
// Usage: ops_bench. Figures in src/ops/README.md come from here.

#include <algorithm>
#include <cstdio>
#include <functional>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "device/isa.h"
#include "ops/elementwise/elementwise.h"
#include "ops/gated_unit/gated_unit.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/op_table.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/rope/rope.h"
#include "ops/softmax_sum/softmax_sum.h"

namespace {

using namespace freehold;  // NOLINT: a program, not a library.
using ops::OpTable;

/// The best of some rounds, in nanoseconds a call.
double time_ns(const std::function<void()>& work) {
  base::SystemClock clock;
  work();
  double best = 1e30;
  for (int round = 0; round < 7; ++round) {
    const int64_t start = clock.monotonic_ns();
    int calls = 0;
    while (clock.monotonic_ns() - start < 20'000'000) {
      for (int i = 0; i < 16; ++i) work();
      calls += 16;
    }
    best = std::min(best, static_cast<double>(clock.monotonic_ns() - start) / calls);
  }
  return best;
}

void report(const char* name, const std::function<void(const OpTable&)>& work) {
  std::printf("%-28s", name);
  for (const device::Isa isa : {device::Isa::kScalar, device::Isa::kAvx2, device::Isa::kAvx512}) {
    if (device::best_isa() < isa) break;
    const OpTable& table = ops::op_table(isa);
    std::printf("  %s %.0f", std::string(device::isa_name(isa)).c_str(),
                time_ns([&] { work(table); }));
  }
  std::printf(" ns\n");
}

std::vector<float> row(size_t count, uint64_t seed) {
  base::RandomStream random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = (random.uniform() - 0.5f) * 10;
  return values;
}

}  // namespace

int main() {
  const std::vector<float> x = row(151936, 1), y = row(151936, 2);
  const std::vector<float> cosine(64, 0.6f), sine(64, 0.8f);
  std::vector<float> out(151936, 1.0f);
  float maximum = 0;
  float sum = 0;
  report("rms_norm 1536", [&](const OpTable& t) {
    t.rms_norm({x.data(), 1536, y.data(), 1e-6f, 1, 1536, out.data(), 1536});
  });
  report("rms_norm 32 x 64", [&](const OpTable& t) {
    t.rms_norm({x.data(), 64, y.data(), 1e-6f, 32, 64, out.data(), 64});
  });
  report("layer_norm 1536", [&](const OpTable& t) {
    t.layer_norm({x.data(), 1536, y.data(), y.data(), 1e-6f, 1, 1536, out.data(), 1536});
  });
  const std::pair<const char*, ops::GateActivation> activations[] = {
      {"silu gate 8960", ops::GateActivation::kSilu},
      {"gelu (tanh) gate 8960", ops::GateActivation::kGeluTanh},
      {"gelu (erf) gate 8960", ops::GateActivation::kGeluErf}};
  for (const auto& [name, activation] : activations) {
    report(name, [&, kind = activation](const OpTable& t) {
      t.gated_unit({kind, x.data(), y.data(), 8960, out.data()});
    });
  }
  report("add 1536", [&](const OpTable& t) {
    t.elementwise({ops::ElementwiseKind::kAdd, x.data(), y.data(), 1, 1536, out.data()});
  });
  report("soft cap 1536", [&](const OpTable& t) {
    t.elementwise({ops::ElementwiseKind::kSoftCap, x.data(), nullptr, 30, 1536, out.data()});
  });
  report("softmax_sum 151936", [&](const OpTable& t) {
    t.softmax_sum({x.data(), x.size(), out.data(), &maximum, &sum});
  });
  for (float& value : out) value = 1;
  report("rope 12 x 128, halves", [&](const OpTable& t) {
    t.rope({out.data(), 12, 128, 128, ops::RopePairing::kHalves, cosine.data(), sine.data()});
  });
  report("rope 12 x 128, interleaved", [&](const OpTable& t) {
    t.rope({out.data(), 12, 128, 128, ops::RopePairing::kInterleaved, cosine.data(), sine.data()});
  });
  return 0;
}
