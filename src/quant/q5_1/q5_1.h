#pragma once
// Q5_1: 32 values in 24 bytes, x = d q + m.
// bytes 0-1   d, f16
// bytes 2-3   m, f16
// bytes 4-7   fifth bits, bit i belongs to value i
// bytes 8-23  nibbles: low ones are values 0-15, high ones 16-31
//
// Functions: declared for the table by quant/format.cc from formats.def.

#include "quant/plain.h"

namespace freehold::quant {

struct Q51Layout {
  static constexpr size_t kValues = 32;
  static constexpr size_t kBytes = 24;
  static constexpr size_t kSubValues = 32;
  static constexpr bool kScaled = false;
  static constexpr SecondTerm kSecondTerm = SecondTerm::kSums;
  static void unpack(const uint8_t* bytes, PlainBlock<Q51Layout>& block);
};

}  // namespace freehold::quant
