#include "quant/q4_0/q4_0.h"

#include "quant/paths.h"

namespace freehold::quant {

void Q40Layout::unpack(const uint8_t* bytes, PlainBlock<Q40Layout>& block) {
  block.w = load_f16(bytes);
  unpack_nibbles_32(bytes + 2, 8, block.value);
}

void q4_0_decode_row(const std::byte* row, size_t width, float* out) {
  decode_row_plain<Q40Layout>(row, width, out);
}

void q4_0_dot_ref(const PanelDot& task) { dot_plain<Q40Layout>(task); }

}  // namespace freehold::quant
