#include "quant/q6_k/q6_k.h"

#include "quant/paths.h"

namespace freehold::quant {

void Q6KLayout::unpack(const uint8_t* bytes, PlainBlock<Q6KLayout>& block) {
  block.w = load_f16(bytes + 208);
  for (size_t j = 0; j < 16; ++j) block.scale[j] = static_cast<int8_t>(bytes[192 + j]);
  for (size_t i = 0; i < 256; ++i) {
    const size_t half = i / 128;
    const size_t within = i % 128;
    const int low = (bytes[half * 64 + within % 64] >> (within / 64 * 4)) & 0x0F;
    const int high = (bytes[128 + half * 32 + within % 32] >> (within / 32 * 2)) & 3;
    block.value[i] = static_cast<int8_t>((low | (high << 4)) - 32);
  }
}

void q6_k_decode_row(const std::byte* row, size_t width, float* out) {
  decode_row_plain<Q6KLayout>(row, width, out);
}

void q6_k_dot_ref(const PanelDot& task) { dot_plain<Q6KLayout>(task); }

}  // namespace freehold::quant
