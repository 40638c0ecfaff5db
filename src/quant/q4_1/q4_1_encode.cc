#include "quant/encoders.h"

namespace freehold::quant {

/// The least value becomes level 0, the greatest level 15.
void q4_1_encode_row(const float* values, size_t width, std::byte* row) {
  encode_blocks<32, 20>(values, width, row, [](std::span<const float, 32> x, uint8_t* bytes) {
    const auto [least, most] = std::minmax_element(x.begin(), x.end());
    const float d = (*most - *least) / 15.0f;
    const float per_value = inverse(d);
    store_f16(bytes, d);
    store_f16(bytes + 2, *least);
    const auto level = [per_value, least = *least](float value) {
      return std::min(15, static_cast<int>((value - least) * per_value + 0.5f));
    };
    for (size_t i = 0; i < 16; ++i) {
      const int low = level(x[i]);
      const int high = level(x[16 + i]);
      bytes[4 + i] = static_cast<uint8_t>((low & 15) | (high & 15) << 4);
    }
  });
}

}  // namespace freehold::quant
