#pragma once
// The encoders behind encode.h, and what several of them do: for the NAME_encode.cc files only.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/float16.h"

namespace freehold::quant {

#define FREEHOLD_ENCODER(id, name) \
  void name##_encode_row(const float* values, size_t width, std::byte* row);
#include "quant/encoders.def"
#undef FREEHOLD_ENCODER

/// Calls encode(values of the block, its bytes) for each block of a row.
template <size_t values_per_block, size_t bytes_per_block, class Encode>
void encode_blocks(const float* values, size_t width, std::byte* row, const Encode& encode) {
  for (size_t at = 0; at < width; at += values_per_block, row += bytes_per_block) {
    encode(std::span<const float, values_per_block>(values + at, values_per_block),
           reinterpret_cast<uint8_t*>(row));
  }
}

inline void store_f16(uint8_t* to, float value) {
  base::store_le(reinterpret_cast<std::byte*>(to), base::f16_from_float(value));
}

/// What a reader of the block will take for `value`.
inline float through_f16(float value) { return base::float_from_f16(base::f16_from_float(value)); }

/// 1 / value, and 0 for 0.
inline float inverse(float value) { return value != 0.0f ? 1.0f / value : 0.0f; }

/// The nearest integer in [low, high], ties to even.
inline int nearest(float value, int low, int high) {
  const float cut = std::clamp(value, static_cast<float>(low), static_cast<float>(high));
  return static_cast<int>(std::nearbyint(cut));
}

/// The value that is farthest from 0, with its sign; the first of several.
inline float farthest(std::span<const float> values) {
  float best = 0.0f;
  for (const float value : values) {
    if (std::fabs(value) > std::fabs(best)) best = value;
  }
  return best;
}

// Searches for the scale of a sub-block by weighted least squares (llama.cpp's ggml-quants.c names
// them make_qx_quants, make_q3_quants and make_qkx2_quants). Levels are those of the scale found;
// the caller rounds the scales of a block and takes levels anew where a scale did not become 0.

/// values ~ scale x (level - max), level in 0 … 2 max - 1, weights values^2: the best of 19 scales
/// around the one that puts the farthest value on -max. 0 where all values are as good as 0.
float search_scale(std::span<const float> values, int max, uint8_t* levels);

/// The same by moving one level at a time, at most five times through.
float search_scale_by_levels(std::span<const float> values, int max, uint8_t* levels);

struct ScaleAndMinimum {
  float scale = 0.0f;
  float minimum = 0.0f;  // not negative
};

/// Which scales search_scale_and_minimum tries: (max + first + i x step) / range, i from 0 to last.
struct ScaleTries {
  float first;
  float step;
  int last;
};

/// values ~ scale x level - minimum, level in 0 … max.
ScaleAndMinimum search_scale_and_minimum(std::span<const float> values,
                                         std::span<const float> weights, int max, ScaleTries tries,
                                         bool absolute_errors, uint8_t* levels);

/// What Q4_K and Q5_K share: 256 values as eight sub-blocks of 32 with 6-bit scales and minimums.
/// Writes d, dmin and the twelve bytes of scales; fills `levels`, each 0 … max.
void encode_eight_of_32(std::span<const float, 256> values, int max, ScaleTries tries,
                        uint8_t* bytes, uint8_t* levels);

}  // namespace freehold::quant
