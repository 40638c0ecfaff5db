#pragma once
// Unpacks Q8_0: signed bytes; where offset by 128, S starts at -128 times the sum of q.

#include "quant/q8_0/q8_0.h"
#include "quant/tile.h"

namespace freehold::quant {

struct Q80Tile : Q80Layout {
  static constexpr int kByteMax = 255;
  static constexpr bool kSigned = true;
  static constexpr int kOffset = 0;

  template <class L, class Sink>
  FREEHOLD_INLINE static void unpack(const uint8_t* rows, size_t stride, Sink& sink) {
    using I = typename L::I;
    const I header = L::load1(rows, stride);
    sink.scales(L::f16_low(header), L::splat(0.0f));
    I bytes[8];
    L::load4(rows + 2, stride, bytes);
    L::load4(rows + 18, stride, bytes + 4);
    repeat<8>([&](auto i) __attribute__((always_inline)) { bytes[i] = L::from_signed(bytes[i]); });
    sink.sub(0, bytes, L::no_scale());
  }
};

}  // namespace freehold::quant
