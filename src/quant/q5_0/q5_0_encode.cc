#include "quant/encoders.h"

namespace freehold::quant {

/// The value farthest from 0 becomes level 0, which stands for -16.
void q5_0_encode_row(const float* values, size_t width, std::byte* row) {
  encode_blocks<32, 22>(values, width, row, [](std::span<const float, 32> x, uint8_t* bytes) {
    const float d = farthest(x) / -16.0f;
    const float per_value = inverse(d);
    store_f16(bytes, d);
    const auto level = [&](float value) {
      return std::min(31, static_cast<int>(value * per_value + 16.5f));
    };
    uint32_t fifths = 0;
    for (size_t i = 0; i < 16; ++i) {
      const int low = level(x[i]);
      const int high = level(x[16 + i]);
      bytes[6 + i] = static_cast<uint8_t>((low & 15) | (high & 15) << 4);
      fifths |= static_cast<uint32_t>(low >> 4) << i | static_cast<uint32_t>(high >> 4) << (16 + i);
    }
    base::store_le(bytes + 2, fifths);
  });
}

}  // namespace freehold::quant
