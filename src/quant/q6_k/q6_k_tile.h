#pragma once
// Unpacks Q6_K: six unsigned bits; pairs are -32 times the scales of two sub-blocks of 16.

#include "quant/q6_k/q6_k.h"
#include "quant/tile.h"

namespace freehold::quant {

struct Q6KTile : Q6KLayout {
  static constexpr int kByteMax = 63;
  static constexpr bool kSigned = false;
  static constexpr int kOffset = 32;

  template <class L, class Sink>
  FREEHOLD_INLINE static void unpack(const uint8_t* rows, size_t stride, Sink& sink) {
    using I = typename L::I;
    // The last four bytes of a block end in d.
    sink.scales(L::f16_high(L::load1(rows + 206, stride)), L::splat(0.0f));
    I scale[4];
    L::load4(rows + 192, stride, scale);
    repeat<4>([&](auto i) __attribute__((always_inline)) {
      sink.pair(2 * i, L::template pair_s8<0, 1, -32>(scale[i]));
      sink.pair(2 * i + 1, L::template pair_s8<2, 3, -32>(scale[i]));
    });
    repeat<2>([&](auto half) __attribute__((always_inline)) {
      I low[16];
      repeat<4>([&](auto i) __attribute__((always_inline)) {
        L::load4(rows + 64 * half + 16 * i, stride, low + 4 * i);
      });
      I top[8];
      L::load4(rows + 128 + 32 * half, stride, top);
      L::load4(rows + 144 + 32 * half, stride, top + 4);
      repeat<8>([&](auto part) __attribute__((always_inline)) {
        constexpr size_t kSub = 8 * half + part;
        constexpr int kShift = static_cast<int>(part / 4 * 4);
        constexpr int kTopShift = static_cast<int>(part / 2 * 2) - 4;  // bits to bits 4-5
        I bytes[4];
        repeat<4>([&](auto i) __attribute__((always_inline)) {
          const I high =
              L::and_mask(L::template shift_right<kTopShift>(top[part % 2 * 4 + i]), 0x30303030u);
          bytes[i] =
              L::and_or(L::template shift_right<kShift>(low[part % 4 * 4 + i]), 0x0F0F0F0Fu, high);
        });
        sink.sub(kSub, bytes, L::template scale_s8<kSub % 4>(scale[kSub / 4]));
      });
    });
  }
};

}  // namespace freehold::quant
