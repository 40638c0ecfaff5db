#pragma once
// IQ4_NL: 32 values in 18 bytes, x = d codebook[q].
// bytes 0-1   d, f16
// bytes 2-17  nibbles: low ones are values 0-15, high ones 16-31
//
// Functions: declared for the table by quant/format.cc from formats.def.

#include "quant/plain.h"

namespace freehold::quant {

struct Iq4NlLayout {
  static constexpr size_t kValues = 32;
  static constexpr size_t kBytes = 18;
  static constexpr size_t kSubValues = 32;
  static constexpr bool kScaled = false;
  static constexpr SecondTerm kSecondTerm = SecondTerm::kNone;
  static void unpack(const uint8_t* bytes, PlainBlock<Iq4NlLayout>& block);
};

}  // namespace freehold::quant
