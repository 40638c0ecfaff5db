#pragma once
// Unpacks IQ4_XS by table look-up; where offset by 128, pairs are -128 times each scale.

#include "quant/codebooks.h"
#include "quant/iq4_xs/iq4_xs.h"
#include "quant/tile.h"

namespace freehold::quant {

struct Iq4XsTile : Iq4XsLayout {
  static constexpr int kByteMax = 255;
  static constexpr bool kSigned = true;
  static constexpr int kOffset = 0;

  template <class L, class Sink>
  FREEHOLD_INLINE static void unpack(const uint8_t* rows, size_t stride, Sink& sink) {
    using I = typename L::I;
    const I header = L::load1(rows, stride);
    sink.scales(L::f16_low(header), L::splat(0.0f));
    const I low = L::load1(rows + 4, stride);
    // scale[0] holds the even scales 0, 2, 4, 6 as bytes, scale[1] the odd ones. Their top two bits
    // are at bits 16 + 2 j of the header.
    I scale[2];
    repeat<2>([&](auto odd) __attribute__((always_inline)) {
      I top = L::and_mask(L::template shift_right<12 + 2 * odd>(header), 0x00000030u);
      top = L::and_or(L::template shift_right<8 + 2 * odd>(header), 0x00003000u, top);
      top = L::and_or(L::template shift_right<4 + 2 * odd>(header), 0x00300000u, top);
      top = L::and_or(L::template shift_right<2 * odd>(header), 0x30000000u, top);
      scale[odd] = L::sub8(L::and_or(L::template shift_right<4 * odd>(low), 0x0F0F0F0Fu, top), 32);
    });
    repeat<8>([&](auto j) __attribute__((always_inline)) {
      I raw[4];
      L::load4(rows + 8 + 16 * j, stride, raw);
      I bytes[8];
      repeat<4>([&](auto i) __attribute__((always_inline)) {
        const I first = L::and_mask(raw[i], 0x0F0F0F0Fu);
        const I second = L::and_mask(L::template shift_right<4>(raw[i]), 0x0F0F0F0Fu);
        bytes[i] = L::look_up_signed(kIq4Codebook, first);
        bytes[i + 4] = L::look_up_signed(kIq4Codebook, second);
      });
      sink.sub(j, bytes, L::template scale_s8<j / 2>(scale[j % 2]));
    });
  }
};

}  // namespace freehold::quant
