#pragma once
// Unpacks Q4_K; pairs are (minimum, minimum) of each sub-block of 32.

#include "quant/q4_k/q4_k.h"
#include "quant/scales_6bit.h"
#include "quant/tile.h"

namespace freehold::quant {

struct Q4KTile : Q4KLayout {
  static constexpr int kByteMax = 15;
  static constexpr bool kSigned = false;
  static constexpr int kOffset = 0;

  template <class L, class Sink>
  FREEHOLD_INLINE static void unpack(const uint8_t* rows, size_t stride, Sink& sink) {
    using I = typename L::I;
    I header[4];
    L::load4(rows, stride, header);
    sink.scales(L::f16_low(header[0]), L::f16_high(header[0]));
    const Scales6Bit<L> small(header);
    repeat<4>([&](auto i)
                  __attribute__((always_inline)) { sink.pair(i, small.template pair<i>()); });
    repeat<4>([&](auto chunk) __attribute__((always_inline)) {
      I raw[8];
      L::load4(rows + 16 + 32 * chunk, stride, raw);
      L::load4(rows + 32 + 32 * chunk, stride, raw + 4);
      repeat<2>([&](auto high) __attribute__((always_inline)) {
        constexpr size_t kSub = 2 * chunk + high;
        I bytes[8];
        repeat<8>([&](auto i) __attribute__((always_inline)) {
          bytes[i] = L::and_mask(L::template shift_right<4 * high>(raw[i]), 0x0F0F0F0Fu);
        });
        sink.sub(kSub, bytes, small.template scale<kSub>());
      });
    });
  }
};

}  // namespace freehold::quant
