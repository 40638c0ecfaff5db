#pragma once
// Unpacks Q2_K; pairs are the minimums of two sub-blocks of 16.

#include "quant/q2_k/q2_k.h"
#include "quant/tile.h"

namespace freehold::quant {

struct Q2KTile : Q2KLayout {
  static constexpr int kByteMax = 3;
  static constexpr bool kSigned = false;
  static constexpr int kOffset = 0;

  template <class L, class Sink>
  FREEHOLD_INLINE static void unpack(const uint8_t* rows, size_t stride, Sink& sink) {
    using I = typename L::I;
    const I ends = L::load1(rows + 80, stride);
    sink.scales(L::f16_low(ends), L::f16_high(ends));
    I header[4];
    L::load4(rows, stride, header);
    I scale[4];
    repeat<4>([&](auto i) __attribute__((always_inline)) {
      scale[i] = L::and_mask(header[i], 0x0F0F0F0Fu);
      const I minimum = L::and_mask(L::template shift_right<4>(header[i]), 0x0F0F0F0Fu);
      sink.pair(2 * i, L::template pair_u8<0, 1>(minimum));
      sink.pair(2 * i + 1, L::template pair_u8<2, 3>(minimum));
    });
    repeat<2>([&](auto half) __attribute__((always_inline)) {
      I raw[8];
      L::load4(rows + 16 + 32 * half, stride, raw);
      L::load4(rows + 32 + 32 * half, stride, raw + 4);
      repeat<8>([&](auto part) __attribute__((always_inline)) {
        constexpr size_t kSub = 8 * half + part;
        constexpr int kShift = static_cast<int>(part / 2 * 2);
        I bytes[4];
        repeat<4>([&](auto i) __attribute__((always_inline)) {
          const I shifted = L::template shift_right<kShift>(raw[part % 2 * 4 + i]);
          bytes[i] = L::and_mask(shifted, 0x03030303u);
        });
        sink.sub(kSub, bytes, L::template scale_u8<kSub % 4>(scale[kSub / 4]));
      });
    });
  }
};

}  // namespace freehold::quant
