#pragma once
// Thirty-two accumulators in two arrays of sixteen: the shape of the AVX-512 float path without its
// instructions. The back end of float_dot.h for dot_emulated; not fast.

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/float16.h"
#include "quant/float_dot.h"

namespace freehold::quant {

struct FloatLanesEmulated {
  static constexpr size_t kLanes = 16;
  static constexpr size_t kRowsAtOnce = 2;
  static constexpr size_t kColumnsAtOnce = 2;
  struct F {
    float lane[kLanes];
  };

  static F zero() { return {}; }
  static F load(const float* from) { return load_some(from, kLanes); }
  static F load_some(const float* from, size_t count) {
    F out{};
    for (size_t lane = 0; lane < count; ++lane) out.lane[lane] = from[lane];
    return out;
  }
  static F fma(const F& a, const F& b, const F& c) { return fma_some(a, b, c, kLanes); }
  static F fma_some(const F& a, const F& b, F c, size_t count) {
    for (size_t lane = 0; lane < count; ++lane) {
      c.lane[lane] = std::fma(a.lane[lane], b.lane[lane], c.lane[lane]);
    }
    return c;
  }
  static float widen_one(F32Weights, const uint8_t* from) { return base::load_le<float>(from); }
  static float widen_one(F16Weights, const uint8_t* from) {
    return base::float_from_f16(base::load_le<uint16_t>(from));
  }
  static float widen_one(Bf16Weights, const uint8_t* from) {
    return base::float_from_bf16(base::load_le<uint16_t>(from));
  }
  template <class W>
  static F widen(W kind, const uint8_t* from) {
    return widen_some(kind, from, kLanes);
  }
  template <class W>
  static F widen_some(W kind, const uint8_t* from, size_t count) {
    F out{};
    for (size_t lane = 0; lane < count; ++lane) {
      out.lane[lane] = widen_one(kind, from + lane * W::kBytes);
    }
    return out;
  }
  static float sum_tree(const F (&parts)[2]) {
    float lanes[kLanes];
    for (size_t l = 0; l < kLanes; ++l) lanes[l] = parts[0].lane[l] + parts[1].lane[l];
    for (size_t half = kLanes / 2; half > 0; half /= 2) {
      for (size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
    }
    return lanes[0];
  }
};

}  // namespace freehold::quant
