#include "quant/activation.h"

#include <bit>
#include <cstring>

#include "base/bytes.h"
#include "quant/activation_paths.h"

namespace freehold::quant {
namespace {

/// Below this a group's scale and values are zero, so that no scale is ever subnormal.
constexpr float kAmaxFloor = 0x1p-100f;

/// To the nearest integer, ties to even, for |value| < 2^22: adding 1.5 x 2^23 leaves no fraction.
int32_t nearest_even(float value) {
  constexpr float kMagic = 0x1.8p23f;
  return static_cast<int32_t>(std::bit_cast<uint32_t>(value + kMagic) -
                              std::bit_cast<uint32_t>(kMagic));
}

void quantise_group(const float* x, size_t count, int8_t* q, float* d) {
  float amax = 0;
  for (size_t i = 0; i < count; ++i) {
    const float magnitude = x[i] < 0 ? -x[i] : x[i];
    if (magnitude > amax) amax = magnitude;
  }
  if (amax < kAmaxFloor) {
    *d = 0;
    std::memset(q, 0, count);
    return;
  }
  *d = amax / 127.0f;
  const float inverse = 127.0f / amax;
  for (size_t i = 0; i < count; ++i) {
    int32_t rounded = nearest_even(x[i] * inverse);
    if (rounded > 127) rounded = 127;
    if (rounded < -127) rounded = -127;
    q[i] = static_cast<int8_t>(rounded);
  }
}

}  // namespace

bool all_finite(const float* x, size_t width) {
  // No early return, so that the compiler can look at several at once.
  uint32_t bad = 0;
  for (size_t i = 0; i < width; ++i) {
    bad |= (base::load_le<uint32_t>(x + i) & 0x7F800000u) == 0x7F800000u ? 1u : 0u;
  }
  return bad == 0;
}

bool quantise_row_ref(const QuantiseRow& task) {
  const size_t group = static_cast<size_t>(task.group);
  const size_t padded = padded_width(task.width);
  const size_t groups = base::divide_up(task.width, group);
  std::memset(task.q, 0, padded);
  std::memset(task.sums, 0, padded / 16 * sizeof(int16_t));
  if (!all_finite(task.x, task.width)) {
    std::memset(task.d, 0, groups * sizeof(float));
    return false;
  }
  for (size_t g = 0; g < groups; ++g) {
    const size_t first = g * group;
    const size_t count = task.width - first < group ? task.width - first : group;
    quantise_group(task.x + first, count, task.q + first, task.d + g);
  }
  for (size_t s = 0; s < padded / 16; ++s) {
    int sum = 0;
    for (size_t i = 0; i < 16; ++i) sum += task.q[s * 16 + i];
    task.sums[s] = static_cast<int16_t>(sum);
  }
  return true;
}

QuantiseRowFn quantise_row(device::Isa isa) { return fast_quantise_row(isa); }

}  // namespace freehold::quant
