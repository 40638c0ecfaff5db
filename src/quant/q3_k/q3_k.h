#pragma once
// Q3_K: 256 values in 110 bytes, sub-blocks of 16, x = (d (sc - 32)) (q - 4).
// bytes 0-31    third bits: byte i % 32, bit i / 32 belongs to value i
// bytes 32-95   low two bits, as in Q2_K
// bytes 96-107  sixteen 6-bit scales: low nibbles of bytes 0-7 are the low halves of scales 0-7,
// high
//               nibbles those of 8-15; bytes 8-11 hold the top two bits, scale j in byte j % 4 at
//               bit 2 (j / 4)
// bytes 108-109 d, f16
//
// Functions: declared for the table by quant/format.cc from formats.def.

#include "quant/plain.h"

namespace freehold::quant {

struct Q3KLayout {
  static constexpr size_t kValues = 256;
  static constexpr size_t kBytes = 110;
  static constexpr size_t kSubValues = 16;
  static constexpr bool kScaled = true;
  static constexpr SecondTerm kSecondTerm = SecondTerm::kNone;
  static void unpack(const uint8_t* bytes, PlainBlock<Q3KLayout>& block);
};

}  // namespace freehold::quant
