#include "quant/q4_k/q4_k.h"

#include "quant/paths.h"

namespace freehold::quant {

void Q4KLayout::unpack(const uint8_t* bytes, PlainBlock<Q4KLayout>& block) {
  block.w = load_f16(bytes);
  block.v = load_f16(bytes + 2);
  unpack_scales_6bit(bytes + 4, block.scale, block.minimum);
  for (size_t i = 0; i < 256; ++i) {
    const size_t shift = i % 64 / 32 * 4;
    block.value[i] = static_cast<int8_t>((bytes[16 + i / 64 * 32 + i % 32] >> shift) & 0x0F);
  }
}

void q4_k_decode_row(const std::byte* row, size_t width, float* out) {
  decode_row_plain<Q4KLayout>(row, width, out);
}

void q4_k_dot_ref(const PanelDot& task) { dot_plain<Q4KLayout>(task); }

}  // namespace freehold::quant
