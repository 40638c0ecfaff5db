#include "quant/iq4_xs/iq4_xs.h"

#include "quant/codebooks.h"
#include "quant/paths.h"

namespace freehold::quant {

void Iq4XsLayout::unpack(const uint8_t* bytes, PlainBlock<Iq4XsLayout>& block) {
  block.w = load_f16(bytes);
  const uint32_t high = base::load_le<uint16_t>(bytes + 2);
  for (size_t j = 0; j < 8; ++j) {
    const uint32_t low = (static_cast<uint32_t>(bytes[4 + j / 2]) >> (j % 2 * 4)) & 0x0Fu;
    block.scale[j] = static_cast<int32_t>(low | (((high >> (2 * j)) & 3u) << 4)) - 32;
    unpack_nibbles_32(bytes + 8 + j * 16, 0, block.value + j * 32);
  }
  for (int8_t& value : block.value) value = kIq4Codebook[value];
}

void iq4_xs_decode_row(const std::byte* row, size_t width, float* out) {
  decode_row_plain<Iq4XsLayout>(row, width, out);
}

void iq4_xs_dot_ref(const PanelDot& task) { dot_plain<Iq4XsLayout>(task); }

}  // namespace freehold::quant
