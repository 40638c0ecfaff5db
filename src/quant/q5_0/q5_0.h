#pragma once
// Q5_0: 32 values in 22 bytes, x = d (q - 16).
// bytes 0-1   d, f16
// bytes 2-5   fifth bits, bit i belongs to value i
// bytes 6-21  nibbles: low ones are values 0-15, high ones 16-31
//
// Functions: declared for the table by quant/format.cc from formats.def.

#include "quant/plain.h"

namespace freehold::quant {

struct Q50Layout {
  static constexpr size_t kValues = 32;
  static constexpr size_t kBytes = 22;
  static constexpr size_t kSubValues = 32;
  static constexpr bool kScaled = false;
  static constexpr SecondTerm kSecondTerm = SecondTerm::kNone;
  static void unpack(const uint8_t* bytes, PlainBlock<Q50Layout>& block);
};

}  // namespace freehold::quant
