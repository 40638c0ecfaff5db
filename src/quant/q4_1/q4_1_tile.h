#pragma once
// Unpacks Q4_1: M is the sum of q.

#include "quant/q4_1/q4_1.h"
#include "quant/tile.h"

namespace freehold::quant {

struct Q41Tile : Q41Layout {
  static constexpr int kByteMax = 15;
  static constexpr bool kSigned = false;
  static constexpr int kOffset = 0;

  template <class L, class Sink>
  FREEHOLD_INLINE static void unpack(const uint8_t* rows, size_t stride, Sink& sink) {
    using I = typename L::I;
    const I header = L::load1(rows, stride);
    sink.scales(L::f16_low(header), L::f16_high(header));
    I raw[4];
    L::load4(rows + 4, stride, raw);
    I bytes[8];
    repeat<4>([&](auto i) __attribute__((always_inline)) {
      bytes[i] = L::and_mask(raw[i], 0x0F0F0F0Fu);
      bytes[i + 4] = L::and_mask(L::template shift_right<4>(raw[i]), 0x0F0F0F0Fu);
    });
    sink.sub(0, bytes, L::no_scale());
  }
};

}  // namespace freehold::quant
