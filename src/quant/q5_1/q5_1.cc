#include "quant/q5_1/q5_1.h"

#include "quant/paths.h"

namespace freehold::quant {

void Q51Layout::unpack(const uint8_t* bytes, PlainBlock<Q51Layout>& block) {
  block.w = load_f16(bytes);
  block.v = load_f16(bytes + 2);
  unpack_nibbles_32(bytes + 8, 0, block.value);
  add_fifth_bits_32(base::load_le<uint32_t>(bytes + 4), block.value);
}

void q5_1_decode_row(const std::byte* row, size_t width, float* out) {
  decode_row_plain<Q51Layout>(row, width, out);
}

void q5_1_dot_ref(const PanelDot& task) { dot_plain<Q51Layout>(task); }

}  // namespace freehold::quant
