#include "quant/mxfp4/mxfp4.h"

#include "quant/codebooks.h"
#include "quant/paths.h"

namespace freehold::quant {

namespace {

/// 2^(e - 128), exact; e = 0 and 1 are subnormal.
float half_e8m0(uint8_t e) {
  const uint32_t bits = e < 2 ? 0x00200000u << e : static_cast<uint32_t>(e - 1) << 23;
  return std::bit_cast<float>(bits);
}

}  // namespace

void Mxfp4Layout::unpack(const uint8_t* bytes, PlainBlock<Mxfp4Layout>& block) {
  block.w = half_e8m0(bytes[0]);
  unpack_nibbles_32(bytes + 1, 0, block.value);
  for (int8_t& value : block.value) value = kDoubledE2m1[value];
}

void mxfp4_decode_row(const std::byte* row, size_t width, float* out) {
  decode_row_plain<Mxfp4Layout>(row, width, out);
}

void mxfp4_dot_ref(const PanelDot& task) { dot_plain<Mxfp4Layout>(task); }

bool mxfp4_rows_valid(const std::byte* rows, size_t row_bytes, size_t row_count) {
  for (size_t row = 0; row < row_count; ++row) {
    const std::byte* bytes = rows + row * row_bytes;
    for (size_t at = 0; at + Mxfp4Layout::kBytes <= row_bytes; at += Mxfp4Layout::kBytes) {
      if (bytes[at] == std::byte{255}) return false;
    }
  }
  return true;
}

}  // namespace freehold::quant
