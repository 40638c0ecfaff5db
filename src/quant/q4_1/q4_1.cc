#include "quant/q4_1/q4_1.h"

#include "quant/paths.h"

namespace freehold::quant {

void Q41Layout::unpack(const uint8_t* bytes, PlainBlock<Q41Layout>& block) {
  block.w = load_f16(bytes);
  block.v = load_f16(bytes + 2);
  unpack_nibbles_32(bytes + 4, 0, block.value);
}

void q4_1_decode_row(const std::byte* row, size_t width, float* out) {
  decode_row_plain<Q41Layout>(row, width, out);
}

void q4_1_dot_ref(const PanelDot& task) { dot_plain<Q41Layout>(task); }

}  // namespace freehold::quant
