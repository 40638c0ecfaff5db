#pragma once
// The twelve bytes of Q4_K and Q5_K in lanes, a row each: unpack_scales_6bit of plain.h.

#include "quant/tile.h"

namespace freehold::quant {

/// Eight scales and eight minimums of 6 bits, out of the four dwords that begin a block.
template <class L>
struct Scales6Bit {
  using I = typename L::I;
  I scales[2];    // of sub-blocks 0-3 and 4-7, a byte each
  I minimums[2];  // likewise

  FREEHOLD_INLINE explicit Scales6Bit(const I (&header)[4]) {
    scales[0] = L::and_mask(header[1], 0x3F3F3F3Fu);
    minimums[0] = L::and_mask(header[2], 0x3F3F3F3Fu);
    scales[1] = L::and_or(header[3], 0x0F0F0F0Fu,
                          L::and_mask(L::template shift_right<2>(header[1]), 0x30303030u));
    minimums[1] = L::and_or(L::template shift_right<4>(header[3]), 0x0F0F0F0Fu,
                            L::and_mask(L::template shift_right<2>(header[2]), 0x30303030u));
  }
  template <size_t sub>
  FREEHOLD_INLINE I scale() const {
    return L::template scale_u8<sub % 4>(scales[sub / 4]);
  }
  /// The minimums of sub-blocks 2 i and 2 i + 1.
  template <size_t i>
  FREEHOLD_INLINE I pair() const {
    return L::template pair_u8<2 * i % 4, 2 * i % 4 + 1>(minimums[i / 2]);
  }
};

}  // namespace freehold::quant
