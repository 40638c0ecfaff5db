#pragma once
// Unpacks Q3_K: three unsigned bits; pairs are -4 times the scales of two sub-blocks of 16.

#include "quant/q3_k/q3_k.h"
#include "quant/tile.h"

namespace freehold::quant {

struct Q3KTile : Q3KLayout {
  static constexpr int kByteMax = 7;
  static constexpr bool kSigned = false;
  static constexpr int kOffset = 4;

  template <class L, class Sink>
  FREEHOLD_INLINE static void unpack(const uint8_t* rows, size_t stride, Sink& sink) {
    using I = typename L::I;
    I tail[4];  // two bytes of the low bits, the twelve of the scales, d
    L::load4(rows + 94, stride, tail);
    sink.scales(L::f16_high(tail[3]), L::splat(0.0f));
    I packed[3];
    repeat<3>([&](auto i) __attribute__((always_inline)) {
      packed[i] =
          L::or_(L::template shift_right<16>(tail[i]), L::template shift_right<-16>(tail[i + 1]));
    });
    I scale[4];
    repeat<4>([&](auto i) __attribute__((always_inline)) {
      constexpr int kLowShift = static_cast<int>(i / 2 * 4);
      constexpr int kHighShift = static_cast<int>(i * 2) - 4;  // bits 2 i to bits 4-5
      const I top = L::and_mask(L::template shift_right<kHighShift>(packed[2]), 0x30303030u);
      const I low = L::template shift_right<kLowShift>(packed[i % 2]);
      scale[i] = L::sub8(L::and_or(low, 0x0F0F0F0Fu, top), 32);
      sink.pair(2 * i, L::template pair_s8<0, 1, -4>(scale[i]));
      sink.pair(2 * i + 1, L::template pair_s8<2, 3, -4>(scale[i]));
    });
    I third[8];
    L::load4(rows, stride, third);
    L::load4(rows + 16, stride, third + 4);
    repeat<2>([&](auto half) __attribute__((always_inline)) {
      I raw[8];
      L::load4(rows + 32 + 32 * half, stride, raw);
      L::load4(rows + 48 + 32 * half, stride, raw + 4);
      repeat<8>([&](auto part) __attribute__((always_inline)) {
        constexpr size_t kSub = 8 * half + part;
        constexpr int kShift = static_cast<int>(part / 2 * 2);
        constexpr int kThirdShift = static_cast<int>(kSub / 2) - 2;  // bit kSub / 2 to bit 2
        I bytes[4];
        repeat<4>([&](auto i) __attribute__((always_inline)) {
          constexpr size_t kDword = part % 2 * 4 + i;
          const I top =
              L::and_mask(L::template shift_right<kThirdShift>(third[kDword]), 0x04040404u);
          bytes[i] = L::and_or(L::template shift_right<kShift>(raw[kDword]), 0x03030303u, top);
        });
        sink.sub(kSub, bytes, L::template scale_s8<kSub % 4>(scale[kSub / 4]));
      });
    });
  }
};

}  // namespace freehold::quant
