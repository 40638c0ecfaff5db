#pragma once
// Q4_1: 32 values in 20 bytes, x = d q + m.
// bytes 0-1   d, f16
// bytes 2-3   m, f16
// bytes 4-19  nibbles: low ones are values 0-15, high ones 16-31
//
// Functions: declared for the table by quant/format.cc from formats.def.

#include "quant/plain.h"

namespace freehold::quant {

struct Q41Layout {
  static constexpr size_t kValues = 32;
  static constexpr size_t kBytes = 20;
  static constexpr size_t kSubValues = 32;
  static constexpr bool kScaled = false;
  static constexpr SecondTerm kSecondTerm = SecondTerm::kSums;
  static void unpack(const uint8_t* bytes, PlainBlock<Q41Layout>& block);
};

}  // namespace freehold::quant
