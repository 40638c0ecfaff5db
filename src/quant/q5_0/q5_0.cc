#include "quant/q5_0/q5_0.h"

#include "quant/paths.h"

namespace freehold::quant {

void Q50Layout::unpack(const uint8_t* bytes, PlainBlock<Q50Layout>& block) {
  block.w = load_f16(bytes);
  unpack_nibbles_32(bytes + 6, 16, block.value);
  add_fifth_bits_32(base::load_le<uint32_t>(bytes + 2), block.value);
}

void q5_0_decode_row(const std::byte* row, size_t width, float* out) {
  decode_row_plain<Q50Layout>(row, width, out);
}

void q5_0_dot_ref(const PanelDot& task) { dot_plain<Q50Layout>(task); }

}  // namespace freehold::quant
