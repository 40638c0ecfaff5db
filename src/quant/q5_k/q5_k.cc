#include "quant/q5_k/q5_k.h"

#include "quant/paths.h"

namespace freehold::quant {

void Q5KLayout::unpack(const uint8_t* bytes, PlainBlock<Q5KLayout>& block) {
  block.w = load_f16(bytes);
  block.v = load_f16(bytes + 2);
  unpack_scales_6bit(bytes + 4, block.scale, block.minimum);
  for (size_t i = 0; i < 256; ++i) {
    const size_t shift = i % 64 / 32 * 4;
    const int low = (bytes[48 + i / 64 * 32 + i % 32] >> shift) & 0x0F;
    const int high = (bytes[16 + i % 32] >> (i / 32)) & 1;
    block.value[i] = static_cast<int8_t>(low | (high << 4));
  }
}

void q5_k_decode_row(const std::byte* row, size_t width, float* out) {
  decode_row_plain<Q5KLayout>(row, width, out);
}

void q5_k_dot_ref(const PanelDot& task) { dot_plain<Q5KLayout>(task); }

}  // namespace freehold::quant
