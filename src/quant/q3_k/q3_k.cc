#include "quant/q3_k/q3_k.h"

#include "quant/paths.h"

namespace freehold::quant {

void Q3KLayout::unpack(const uint8_t* bytes, PlainBlock<Q3KLayout>& block) {
  block.w = load_f16(bytes + 108);
  const uint8_t* packed = bytes + 96;
  for (size_t j = 0; j < 16; ++j) {
    const int low = j < 8 ? packed[j] & 0x0F : packed[j - 8] >> 4;
    const int high = (packed[8 + j % 4] >> (j / 4 * 2)) & 3;
    block.scale[j] = (low | (high << 4)) - 32;
  }
  for (size_t i = 0; i < 256; ++i) {
    const size_t half = i / 128;
    const size_t shift = i % 128 / 32 * 2;
    const int low = (bytes[32 + half * 32 + i % 32] >> shift) & 3;
    const int high = (bytes[i % 32] >> (i / 32)) & 1;
    block.value[i] = static_cast<int8_t>((low | (high << 2)) - 4);
  }
}

void q3_k_decode_row(const std::byte* row, size_t width, float* out) {
  decode_row_plain<Q3KLayout>(row, width, out);
}

void q3_k_dot_ref(const PanelDot& task) { dot_plain<Q3KLayout>(task); }

}  // namespace freehold::quant
