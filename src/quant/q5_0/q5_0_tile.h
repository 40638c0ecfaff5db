#pragma once
// Unpacks Q5_0: nibbles and fifth bits, S starts at -16 times the sum of q.

#include "quant/q5_0/q5_0.h"
#include "quant/tile.h"

namespace freehold::quant {

struct Q50Tile : Q50Layout {
  static constexpr int kByteMax = 31;
  static constexpr bool kSigned = false;
  static constexpr int kOffset = 16;

  template <class L, class Sink>
  FREEHOLD_INLINE static void unpack(const uint8_t* rows, size_t stride, Sink& sink) {
    using I = typename L::I;
    const I header = L::load1(rows, stride);
    sink.scales(L::f16_low(header), L::splat(0.0f));
    const I fifth = L::load1(rows + 2, stride);
    I raw[4];
    L::load4(rows + 6, stride, raw);
    I bytes[8];
    repeat<4>([&](auto i) __attribute__((always_inline)) {
      bytes[i] = L::and_mask(raw[i], 0x0F0F0F0Fu);
      bytes[i + 4] = L::and_mask(L::template shift_right<4>(raw[i]), 0x0F0F0F0Fu);
    });
    repeat<8>([&](auto i) __attribute__((always_inline)) {
      bytes[i] = L::or_(bytes[i], L::template fifth_bits<i>(fifth));
    });
    sink.sub(0, bytes, L::no_scale());
  }
};

}  // namespace freehold::quant
