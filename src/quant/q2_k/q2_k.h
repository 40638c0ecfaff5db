#pragma once
// Q2_K: 256 values in 84 bytes, sub-blocks of 16, x = (d sc) q - dmin min.
// bytes 0-15   per sub-block: scale in the low nibble, minimum in the high one
// bytes 16-79  two bits a value: each half of 128 values owns 32 bytes; bits 0-1 are its first 32
//              values, bits 2-3 the next 32, then 4-5, then 6-7
// bytes 80-81  d, f16
// bytes 82-83  dmin, f16
//
// Functions: declared for the table by quant/format.cc from formats.def.

#include "quant/plain.h"

namespace freehold::quant {

struct Q2KLayout {
  static constexpr size_t kValues = 256;
  static constexpr size_t kBytes = 84;
  static constexpr size_t kSubValues = 16;
  static constexpr bool kScaled = true;
  static constexpr SecondTerm kSecondTerm = SecondTerm::kMinimums;
  static void unpack(const uint8_t* bytes, PlainBlock<Q2KLayout>& block);
};

}  // namespace freehold::quant
