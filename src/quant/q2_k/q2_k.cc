#include "quant/q2_k/q2_k.h"

#include "quant/paths.h"

namespace freehold::quant {

void Q2KLayout::unpack(const uint8_t* bytes, PlainBlock<Q2KLayout>& block) {
  block.w = load_f16(bytes + 80);
  block.v = load_f16(bytes + 82);
  for (size_t j = 0; j < 16; ++j) {
    block.scale[j] = bytes[j] & 0x0F;
    block.minimum[j] = bytes[j] >> 4;
  }
  for (size_t i = 0; i < 256; ++i) {
    const size_t half = i / 128;
    const size_t shift = i % 128 / 32 * 2;
    block.value[i] = static_cast<int8_t>((bytes[16 + half * 32 + i % 32] >> shift) & 3);
  }
}

void q2_k_decode_row(const std::byte* row, size_t width, float* out) {
  decode_row_plain<Q2KLayout>(row, width, out);
}

void q2_k_dot_ref(const PanelDot& task) { dot_plain<Q2KLayout>(task); }

}  // namespace freehold::quant
