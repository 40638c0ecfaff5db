#pragma once
// Q4_K: 256 values in 144 bytes, sub-blocks of 32, x = (d sc) q - dmin min.
// bytes 0-1     d, f16
// bytes 2-3     dmin, f16
// bytes 4-15    eight 6-bit scales and minimums (unpack_scales_6bit)
// bytes 16-143  nibbles: each 64 values own 32 bytes, low nibbles first
//
// Functions: declared for the table by quant/format.cc from formats.def.

#include "quant/plain.h"

namespace freehold::quant {

struct Q4KLayout {
  static constexpr size_t kValues = 256;
  static constexpr size_t kBytes = 144;
  static constexpr size_t kSubValues = 32;
  static constexpr bool kScaled = true;
  static constexpr SecondTerm kSecondTerm = SecondTerm::kMinimums;
  static void unpack(const uint8_t* bytes, PlainBlock<Q4KLayout>& block);
};

}  // namespace freehold::quant
