#pragma once
// IQ4_XS: 256 values in 136 bytes, sub-blocks of 32, x = (d (sc - 32)) codebook[q].
// bytes 0-1    d, f16
// bytes 2-3    top two bits of the scales, scale j at bit 2 j
// bytes 4-7    low nibbles of the scales: scale j in byte j / 2, even ones low
// bytes 8-135  nibbles: each 32 values own 16 bytes, low ones are its values 0-15, high ones 16-31
//
// Functions: declared for the table by quant/format.cc from formats.def.

#include "quant/plain.h"

namespace freehold::quant {

struct Iq4XsLayout {
  static constexpr size_t kValues = 256;
  static constexpr size_t kBytes = 136;
  static constexpr size_t kSubValues = 32;
  static constexpr bool kScaled = true;
  static constexpr SecondTerm kSecondTerm = SecondTerm::kNone;
  static void unpack(const uint8_t* bytes, PlainBlock<Iq4XsLayout>& block);
};

}  // namespace freehold::quant
