#pragma once
// Unpacks MXFP4 by table look-up; integers offset by 12, S starts at -12 times the sum of q.

#include "quant/codebooks.h"
#include "quant/mxfp4/mxfp4.h"
#include "quant/tile.h"

namespace freehold::quant {

struct Mxfp4Tile : Mxfp4Layout {
  static constexpr int kByteMax = 24;
  static constexpr bool kSigned = false;
  static constexpr int kOffset = 12;

  template <class L, class Sink>
  FREEHOLD_INLINE static void unpack(const uint8_t* rows, size_t stride, Sink& sink) {
    using I = typename L::I;
    const I exponent = L::and_mask(L::load1(rows, stride), 0xFFu);
    // 2^(e - 128): a subnormal's one bit for e < 2, else an exponent field; the larger of the two.
    const I subnormal = L::template shift_right<-21>(L::add32(exponent, 1u));
    const I normal = L::template shift_right<-23>(L::add32(exponent, ~0u));
    sink.scales(L::as_float(L::max32(subnormal, normal)), L::splat(0.0f));
    I raw[4];
    L::load4(rows + 1, stride, raw);
    I bytes[8];
    repeat<4>([&](auto i) __attribute__((always_inline)) {
      bytes[i] = L::and_mask(raw[i], 0x0F0F0F0Fu);
      bytes[i + 4] = L::and_mask(L::template shift_right<4>(raw[i]), 0x0F0F0F0Fu);
    });
    repeat<8>([&](auto i) __attribute__((always_inline)) {
      bytes[i] = L::template look_up<12>(kDoubledE2m1, bytes[i]);
    });
    sink.sub(0, bytes, L::no_scale());
  }
};

}  // namespace freehold::quant
