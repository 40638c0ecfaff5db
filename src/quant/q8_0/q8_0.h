#pragma once
// Q8_0: 32 values in 34 bytes, x = d q.
// bytes 0-1   d, f16
// bytes 2-33  signed bytes
//
// Functions: declared for the table by quant/format.cc from formats.def.

#include "quant/plain.h"

namespace freehold::quant {

struct Q80Layout {
  static constexpr size_t kValues = 32;
  static constexpr size_t kBytes = 34;
  static constexpr size_t kSubValues = 32;
  static constexpr bool kScaled = false;
  static constexpr SecondTerm kSecondTerm = SecondTerm::kNone;
  static void unpack(const uint8_t* bytes, PlainBlock<Q80Layout>& block);
};

}  // namespace freehold::quant
