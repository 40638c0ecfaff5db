#pragma once
// What the tests of operations share: rows with awkward values, the paths this machine can run, and
// equality of bits. Not used outside tests. One thread.

#include <bit>
#include <cstdint>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "device/isa.h"
#include "ops/op_table.h"

namespace freehold::ops {

/// Values in [-size, size), and in between what breaks kernels: zeros of both signs, subnormals,
/// very large and very small numbers.
inline std::vector<float> awkward_row(base::RandomStream& random, size_t count, float size = 8) {
  constexpr float kAwkward[] = {0.0f,      -0.0f,    0x1p-149f,      -0x1.8p-130f, 0x1p-126f,
                                0x1p-100f, -0x1p60f, 0x1.fffffep62f, 1.0f,         -1.0f};
  std::vector<float> row(count);
  for (float& value : row) {
    value = (random.uniform() * 2 - 1) * size;
    if (random.below(16) == 0) value = kAwkward[random.below(std::size(kAwkward))];
  }
  return row;
}

/// Values in [-size, size) only.
inline std::vector<float> plain_row(base::RandomStream& random, size_t count, float size = 8) {
  std::vector<float> row(count);
  for (float& value : row) value = (random.uniform() * 2 - 1) * size;
  return row;
}

/// Index of the first value whose bits differ (any NaN equals any NaN), or -1.
inline int64_t first_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] != a[i] && b[i] != b[i]) continue;
    if (std::bit_cast<uint32_t>(a[i]) != std::bit_cast<uint32_t>(b[i])) {
      return static_cast<int64_t>(i);
    }
  }
  return -1;
}

/// The fast paths of an operation that this machine can run, from the table, by name:
/// fast_paths(&OpTable::rope). Empty where there is only the reference.
template <class Args>
std::vector<std::pair<std::string, void (*)(const Args&)>> fast_paths(
    void (*OpTable::*operation)(const Args&)) {
  std::vector<std::pair<std::string, void (*)(const Args&)>> paths;
  for (const device::Isa isa : {device::Isa::kAvx2, device::Isa::kAvx512}) {
    if (device::best_isa() < isa) break;
    paths.emplace_back(std::string(device::isa_name(isa)), op_table(isa).*operation);
  }
  return paths;
}

}  // namespace freehold::ops
