#include "quant/encoders.h"

namespace freehold::quant {

namespace {

void encode(std::span<const float, 256> x, uint8_t* bytes) {
  uint8_t levels[256];
  ScaleAndMinimum found[16];
  ScaleAndMinimum most;
  for (size_t j = 0; j < 16; ++j) {
    const auto part = std::span<const float>(x).subspan(16 * j, 16);
    float weights[16];
    for (size_t i = 0; i < 16; ++i) weights[i] = std::fabs(part[i]);
    found[j] = search_scale_and_minimum(part, weights, 3, {-0.5f, 0.1f, 15}, true, levels + 16 * j);
    most.scale = std::max(most.scale, found[j].scale);
    most.minimum = std::max(most.minimum, found[j].minimum);
  }
  const float per_scale = most.scale > 0.0f ? 15.0f / most.scale : 0.0f;
  const float per_minimum = most.minimum > 0.0f ? 15.0f / most.minimum : 0.0f;
  std::fill_n(bytes, 84, uint8_t{0});
  store_f16(bytes + 80, most.scale / 15.0f);
  store_f16(bytes + 82, most.minimum / 15.0f);
  for (size_t j = 0; j < 16; ++j) {
    const int scale = nearest(per_scale * found[j].scale, 0, 15);
    const int minimum = nearest(per_minimum * found[j].minimum, 0, 15);
    bytes[j] = static_cast<uint8_t>(scale | minimum << 4);
    const float step = through_f16(most.scale / 15.0f) * static_cast<float>(scale);
    if (step == 0.0f) continue;
    const float offset = through_f16(most.minimum / 15.0f) * static_cast<float>(minimum);
    for (size_t i = 16 * j; i < 16 * (j + 1); ++i) {
      levels[i] = static_cast<uint8_t>(nearest((x[i] + offset) / step, 0, 3));
    }
  }
  for (size_t i = 0; i < 256; ++i) {
    uint8_t& four = bytes[16 + i / 128 * 32 + i % 32];
    four = static_cast<uint8_t>(four | levels[i] << (i % 128 / 32 * 2));
  }
}

}  // namespace

void q2_k_encode_row(const float* values, size_t width, std::byte* row) {
  encode_blocks<256, 84>(values, width, row, encode);
}

}  // namespace freehold::quant
