#pragma once
// Thirty-two accumulators in two 512-bit registers: the back end of float_dot.h for x86-64-v4; only
// *_avx512vnni.cc files may include it.

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "quant/float_dot.h"

namespace freehold::quant {

struct FloatLanesAvx512 {
  using F = __m512;
  static constexpr size_t kLanes = 16;
  static constexpr size_t kRowsAtOnce = 4;
  static constexpr size_t kColumnsAtOnce = 3;

  FREEHOLD_INLINE static __mmask16 mask(size_t count) {
    return static_cast<__mmask16>((1u << count) - 1u);
  }
  FREEHOLD_INLINE static F zero() { return _mm512_setzero_ps(); }
  FREEHOLD_INLINE static F load(const float* from) { return _mm512_loadu_ps(from); }
  FREEHOLD_INLINE static F load_some(const float* from, size_t count) {
    return _mm512_maskz_loadu_ps(mask(count), from);
  }
  FREEHOLD_INLINE static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  FREEHOLD_INLINE static F fma_some(F a, F b, F c, size_t count) {
    return _mm512_mask3_fmadd_ps(a, b, c, mask(count));
  }

  FREEHOLD_INLINE static F widen(F32Weights, const uint8_t* from) { return _mm512_loadu_ps(from); }
  FREEHOLD_INLINE static F widen_some(F32Weights, const uint8_t* from, size_t count) {
    return _mm512_maskz_loadu_ps(mask(count), from);
  }
  FREEHOLD_INLINE static F widen(F16Weights, const uint8_t* from) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  FREEHOLD_INLINE static F widen_some(F16Weights, const uint8_t* from, size_t count) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask(count), from));
  }
  FREEHOLD_INLINE static F from_bf16(__m256i halves) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  FREEHOLD_INLINE static F widen(Bf16Weights, const uint8_t* from) {
    return from_bf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
  }
  FREEHOLD_INLINE static F widen_some(Bf16Weights, const uint8_t* from, size_t count) {
    return from_bf16(_mm256_maskz_loadu_epi16(mask(count), from));
  }

  /// l with l + 16, + 8, + 4, + 2, + 1.
  FREEHOLD_INLINE static float sum_tree(const F (&parts)[2]) {
    const __m512 by16 = _mm512_add_ps(parts[0], parts[1]);
    const __m256 by8 = _mm256_add_ps(_mm512_castps512_ps256(by16), _mm512_extractf32x8_ps(by16, 1));
    const __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    const __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
  }
};

}  // namespace freehold::quant
