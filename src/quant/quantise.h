#pragma once
// The fast activation quantisation for any back end: the same steps as quantise_row_ref, 32 values
// at once. Templates only; included by activation_avx2.cc and activation_avx512.cc.
//
// L gives largest_magnitude (the largest absolute bit pattern of `count` values, a multiple of 32)
// and quantise32, which rounds, clamps and stores 32 values and their two sums of 16.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quant/activation.h"
#include "quant/tile.h"

namespace freehold::quant {

/// One group of `count` values, a multiple of 32. False where one of them is not finite.
template <class L>
FREEHOLD_INLINE bool quantise_group_fast(const float* x, size_t count, int8_t* q, float* d,
                                         int16_t* sums) {
  // The order of absolute bit patterns is that of magnitudes, with infinity and NaN above all.
  const uint32_t amax_bits = L::largest_magnitude(x, count);
  if (amax_bits >= 0x7F800000u) return false;
  const float amax = std::bit_cast<float>(amax_bits);
  if (amax < 0x1p-100f) {
    *d = 0;
    std::memset(q, 0, count);
    std::memset(sums, 0, count / 16 * sizeof(int16_t));
    return true;
  }
  *d = amax / 127.0f;
  const float inverse = 127.0f / amax;
  for (size_t i = 0; i < count; i += 32) L::quantise32(x + i, inverse, q + i, sums + i / 16);
  return true;
}

template <class L>
FREEHOLD_INLINE bool quantise_row_fast(const QuantiseRow& task) {
  const size_t group = static_cast<size_t>(task.group);
  const size_t padded = padded_width(task.width);
  bool finite = true;
  size_t groups = 0;
  for (size_t first = 0; first < task.width && finite; first += group, ++groups) {
    const size_t left = task.width - first;
    finite = quantise_group_fast<L>(task.x + first, left < group ? left : group, task.q + first,
                                    task.d + groups, task.sums + first / 16);
  }
  if (!finite) {
    std::memset(task.q, 0, padded);
    std::memset(task.sums, 0, padded / 16 * sizeof(int16_t));
    std::memset(task.d, 0, (task.width + group - 1) / group * sizeof(float));
    return false;
  }
  std::memset(task.q + task.width, 0, padded - task.width);
  std::memset(task.sums + task.width / 16, 0, (padded - task.width) / 16 * sizeof(int16_t));
  return true;
}

}  // namespace freehold::quant
