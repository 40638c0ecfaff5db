#include "quant/encoders.h"

namespace freehold::quant {

namespace {

/// Below this the block is zeros.
constexpr float kZero = 1e-15f;

void encode(std::span<const float, 256> x, uint8_t* bytes) {
  uint8_t levels[256];
  float scales[16];
  for (size_t j = 0; j < 16; ++j) {
    scales[j] = search_scale(std::span<const float>(x).subspan(16 * j, 16), 32, levels + 16 * j);
  }
  const float peak = farthest(scales);
  std::fill_n(bytes, 210, uint8_t{0});
  if (std::fabs(peak) < kZero) return;
  const float per_scale = -128.0f / peak;
  const float d = through_f16(1.0f / per_scale);
  store_f16(bytes + 208, 1.0f / per_scale);
  for (size_t j = 0; j < 16; ++j) {
    const int scale = nearest(per_scale * scales[j], -128, 127);
    bytes[192 + j] = static_cast<uint8_t>(scale);
    const float step = d * static_cast<float>(scale);
    if (step == 0.0f) continue;
    for (size_t i = 16 * j; i < 16 * (j + 1); ++i) {
      levels[i] = static_cast<uint8_t>(nearest(x[i] / step, -32, 31) + 32);
    }
  }
  for (size_t half = 0; half < 2; ++half) {
    const uint8_t* const level = levels + 128 * half;
    for (size_t i = 0; i < 64; ++i) {
      bytes[64 * half + i] = static_cast<uint8_t>((level[i] & 15) | (level[i + 64] & 15) << 4);
    }
    for (size_t i = 0; i < 32; ++i) {
      bytes[128 + 32 * half + i] =
          static_cast<uint8_t>(level[i] >> 4 | level[i + 32] >> 4 << 2 | level[i + 64] >> 4 << 4 |
                               level[i + 96] >> 4 << 6);
    }
  }
}

}  // namespace

void q6_k_encode_row(const float* values, size_t width, std::byte* row) {
  encode_blocks<256, 210>(values, width, row, encode);
}

}  // namespace freehold::quant
