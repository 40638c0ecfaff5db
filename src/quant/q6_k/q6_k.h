#pragma once
// Q6_K: 256 values in 210 bytes, sub-blocks of 16, x = (d sc) (q - 32).
// bytes 0-127    low nibbles: each half of 128 values owns 64 bytes; its values 0-63 are the low
//                nibbles of these, 64-127 the high ones
// bytes 128-191  high two bits: each half owns 32 bytes; bits 0-1 are its first 32 values, bits 2-3
//                the next 32, then 4-5, then 6-7
// bytes 192-207  sixteen signed scales
// bytes 208-209  d, f16
//
// Functions: declared for the table by quant/format.cc from formats.def.

#include "quant/plain.h"

namespace freehold::quant {

struct Q6KLayout {
  static constexpr size_t kValues = 256;
  static constexpr size_t kBytes = 210;
  static constexpr size_t kSubValues = 16;
  static constexpr bool kScaled = true;
  static constexpr SecondTerm kSecondTerm = SecondTerm::kNone;
  static void unpack(const uint8_t* bytes, PlainBlock<Q6KLayout>& block);
};

}  // namespace freehold::quant
