#include "quant/encoders.h"

namespace freehold::quant {

/// The value farthest from 0 becomes level 0, which stands for -8.
void q4_0_encode_row(const float* values, size_t width, std::byte* row) {
  encode_blocks<32, 18>(values, width, row, [](std::span<const float, 32> x, uint8_t* bytes) {
    const float d = farthest(x) / -8.0f;
    const float per_value = inverse(d);
    store_f16(bytes, d);
    const auto level = [&](float value) {
      return std::min(15, static_cast<int>(value * per_value + 8.5f));
    };
    for (size_t i = 0; i < 16; ++i) {
      const int low = level(x[i]);
      const int high = level(x[16 + i]);
      bytes[2 + i] = static_cast<uint8_t>((low & 15) | (high & 15) << 4);
    }
  });
}

}  // namespace freehold::quant
