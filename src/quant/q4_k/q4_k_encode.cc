#include "quant/encoders.h"

namespace freehold::quant {

void q4_k_encode_row(const float* values, size_t width, std::byte* row) {
  encode_blocks<256, 144>(values, width, row, [](std::span<const float, 256> x, uint8_t* bytes) {
    uint8_t levels[256];
    encode_eight_of_32(x, 15, {-1.0f, 0.1f, 20}, bytes, levels);
    for (size_t i = 0; i < 128; ++i) {
      const uint8_t* const pair = levels + i / 32 * 64 + i % 32;
      bytes[16 + i] = static_cast<uint8_t>(pair[0] | pair[32] << 4);
    }
  });
}

}  // namespace freehold::quant
