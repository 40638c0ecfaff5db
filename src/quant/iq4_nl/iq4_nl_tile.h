#pragma once
// Unpacks IQ4_NL by table look-up.

#include "quant/codebooks.h"
#include "quant/iq4_nl/iq4_nl.h"
#include "quant/tile.h"

namespace freehold::quant {

struct Iq4NlTile : Iq4NlLayout {
  static constexpr int kByteMax = 255;
  static constexpr bool kSigned = true;
  static constexpr int kOffset = 0;

  template <class L, class Sink>
  FREEHOLD_INLINE static void unpack(const uint8_t* rows, size_t stride, Sink& sink) {
    using I = typename L::I;
    const I header = L::load1(rows, stride);
    sink.scales(L::f16_low(header), L::splat(0.0f));
    I raw[4];
    L::load4(rows + 2, stride, raw);
    I bytes[8];
    repeat<4>([&](auto i) __attribute__((always_inline)) {
      bytes[i] = L::and_mask(raw[i], 0x0F0F0F0Fu);
      bytes[i + 4] = L::and_mask(L::template shift_right<4>(raw[i]), 0x0F0F0F0Fu);
    });
    repeat<8>([&](auto i) __attribute__((always_inline)) {
      bytes[i] = L::look_up_signed(kIq4Codebook, bytes[i]);
    });
    sink.sub(0, bytes, L::no_scale());
  }
};

}  // namespace freehold::quant
