#include "quant/encoders.h"

namespace freehold::quant {

namespace {

void encode(std::span<const float, 256> x, uint8_t* bytes) {
  uint8_t levels[256];
  float scales[16];
  for (size_t j = 0; j < 16; ++j) {
    scales[j] =
        search_scale_by_levels(std::span<const float>(x).subspan(16 * j, 16), 4, levels + 16 * j);
  }
  std::fill_n(bytes, 110, uint8_t{0});
  const float peak = farthest(scales);
  const float per_scale = peak != 0.0f ? -32.0f / peak : 0.0f;
  const float d = peak != 0.0f ? 1.0f / per_scale : 0.0f;
  store_f16(bytes + 108, d);
  uint8_t* const packed = bytes + 96;
  for (size_t j = 0; j < 16; ++j) {
    // A block without scales stores 0, which stands for -32.
    const int scale = peak != 0.0f ? nearest(per_scale * scales[j], -32, 31) : -32;
    const int stored = scale + 32;
    packed[j % 8] = static_cast<uint8_t>(packed[j % 8] | (stored & 15) << (j / 8 * 4));
    packed[8 + j % 4] = static_cast<uint8_t>(packed[8 + j % 4] | stored >> 4 << (j / 4 * 2));
    const float step = through_f16(d) * static_cast<float>(scale);
    if (step == 0.0f) continue;
    for (size_t i = 16 * j; i < 16 * (j + 1); ++i) {
      levels[i] = static_cast<uint8_t>(nearest(x[i] / step, -4, 3) + 4);
    }
  }
  for (size_t i = 0; i < 256; ++i) {
    bytes[i % 32] = static_cast<uint8_t>(bytes[i % 32] | levels[i] >> 2 << (i / 32));
    uint8_t& low = bytes[32 + i / 128 * 32 + i % 32];
    low = static_cast<uint8_t>(low | (levels[i] & 3) << (i % 128 / 32 * 2));
  }
}

}  // namespace

void q3_k_encode_row(const float* values, size_t width, std::byte* row) {
  encode_blocks<256, 110>(values, width, row, encode);
}

}  // namespace freehold::quant
