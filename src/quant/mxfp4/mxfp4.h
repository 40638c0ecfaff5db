#pragma once
// MXFP4: 32 values in 17 bytes, x = 2^(e - 127) E2M1[q] (OCP Microscaling Formats 1.0).
// byte  0     e, E8M0 exponent; 255 is not a number and is refused (mxfp4_rows_valid)
// bytes 1-16  nibbles: low ones are values 0-15, high ones 16-31
// The integers are E2M1 doubled, so the scale is halved: w = 2^(e - 128), subnormal for e < 2.
//
// Functions: declared for the table by quant/format.cc from formats.def.

#include "quant/plain.h"

namespace freehold::quant {

struct Mxfp4Layout {
  static constexpr size_t kValues = 32;
  static constexpr size_t kBytes = 17;
  static constexpr size_t kSubValues = 32;
  static constexpr bool kScaled = false;
  static constexpr SecondTerm kSecondTerm = SecondTerm::kNone;
  static void unpack(const uint8_t* bytes, PlainBlock<Mxfp4Layout>& block);
};

}  // namespace freehold::quant
