#include "quant/iq4_nl/iq4_nl.h"

#include "quant/codebooks.h"
#include "quant/paths.h"

namespace freehold::quant {

void Iq4NlLayout::unpack(const uint8_t* bytes, PlainBlock<Iq4NlLayout>& block) {
  block.w = load_f16(bytes);
  unpack_nibbles_32(bytes + 2, 0, block.value);
  for (int8_t& value : block.value) value = kIq4Codebook[value];
}

void iq4_nl_decode_row(const std::byte* row, size_t width, float* out) {
  decode_row_plain<Iq4NlLayout>(row, width, out);
}

void iq4_nl_dot_ref(const PanelDot& task) { dot_plain<Iq4NlLayout>(task); }

}  // namespace freehold::quant
