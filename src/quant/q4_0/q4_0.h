#pragma once
// Q4_0: 32 values in 18 bytes, x = d (q - 8).
// bytes 0-1   d, f16
// bytes 2-17  nibbles: low ones are values 0-15, high ones 16-31
//
// Functions: declared for the table by quant/format.cc from formats.def.

#include "quant/plain.h"

namespace freehold::quant {

struct Q40Layout {
  static constexpr size_t kValues = 32;
  static constexpr size_t kBytes = 18;
  static constexpr size_t kSubValues = 32;
  static constexpr bool kScaled = false;
  static constexpr SecondTerm kSecondTerm = SecondTerm::kNone;
  static void unpack(const uint8_t* bytes, PlainBlock<Q40Layout>& block);
};

}  // namespace freehold::quant
