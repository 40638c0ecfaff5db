#include "quant/q8_0/q8_0.h"

#include "quant/paths.h"

namespace freehold::quant {

void Q80Layout::unpack(const uint8_t* bytes, PlainBlock<Q80Layout>& block) {
  block.w = load_f16(bytes);
  std::memcpy(block.value, bytes + 2, 32);
}

void q8_0_decode_row(const std::byte* row, size_t width, float* out) {
  decode_row_plain<Q80Layout>(row, width, out);
}

void q8_0_dot_ref(const PanelDot& task) { dot_plain<Q80Layout>(task); }

}  // namespace freehold::quant
