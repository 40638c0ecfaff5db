#include "quant/encoders.h"

namespace freehold::quant {

void q5_k_encode_row(const float* values, size_t width, std::byte* row) {
  encode_blocks<256, 176>(values, width, row, [](std::span<const float, 256> x, uint8_t* bytes) {
    uint8_t levels[256];
    encode_eight_of_32(x, 31, {-0.5f, 0.1f, 15}, bytes, levels);
    for (size_t i = 0; i < 32; ++i) {
      int fifths = 0;
      for (size_t part = 0; part < 8; ++part) fifths |= (levels[32 * part + i] >> 4) << part;
      bytes[16 + i] = static_cast<uint8_t>(fifths);
    }
    for (size_t i = 0; i < 128; ++i) {
      const uint8_t* const pair = levels + i / 32 * 64 + i % 32;
      bytes[48 + i] = static_cast<uint8_t>((pair[0] & 15) | (pair[32] & 15) << 4);
    }
  });
}

}  // namespace freehold::quant
