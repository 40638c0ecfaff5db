#pragma once
// Q5_K: 256 values in 176 bytes, sub-blocks of 32, x = (d sc) q - dmin min.
// bytes 0-1     d, f16
// bytes 2-3     dmin, f16
// bytes 4-15    eight 6-bit scales and minimums (unpack_scales_6bit)
// bytes 16-47   fifth bits: byte i % 32, bit i / 32 belongs to value i
// bytes 48-175  nibbles: each 64 values own 32 bytes, low nibbles first
//
// Functions: declared for the table by quant/format.cc from formats.def.

#include "quant/plain.h"

namespace freehold::quant {

struct Q5KLayout {
  static constexpr size_t kValues = 256;
  static constexpr size_t kBytes = 176;
  static constexpr size_t kSubValues = 32;
  static constexpr bool kScaled = true;
  static constexpr SecondTerm kSecondTerm = SecondTerm::kMinimums;
  static void unpack(const uint8_t* bytes, PlainBlock<Q5KLayout>& block);
};

}  // namespace freehold::quant
