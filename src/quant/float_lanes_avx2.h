#pragma once
// Thirty-two accumulators in four 256-bit registers: the back end of float_dot.h for x86-64-v3;
// only
// *_avx2.cc files may include it.

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quant/float_dot.h"

namespace freehold::quant {

struct FloatLanesAvx2 {
  using F = __m256;
  static constexpr size_t kLanes = 8;
  static constexpr size_t kRowsAtOnce = 3;
  static constexpr size_t kColumnsAtOnce = 1;

  /// Copies `count` items of a tail between zeros, so that nothing beyond is read.
  template <class Item>
  FREEHOLD_INLINE static void copy_some(const void* from, size_t count, Item (&to)[kLanes]) {
    std::memset(to, 0, sizeof(to));
    std::memcpy(to, from, count * sizeof(Item));
  }
  FREEHOLD_INLINE static F zero() { return _mm256_setzero_ps(); }
  FREEHOLD_INLINE static F load(const float* from) { return _mm256_loadu_ps(from); }
  FREEHOLD_INLINE static F load_some(const void* from, size_t count) {
    float some[kLanes];
    copy_some(from, count, some);
    return _mm256_loadu_ps(some);
  }
  FREEHOLD_INLINE static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  FREEHOLD_INLINE static F fma_some(F a, F b, F c, size_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i present = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), lane);
    return _mm256_blendv_ps(c, fma(a, b, c), _mm256_castsi256_ps(present));
  }

  FREEHOLD_INLINE static __m128i load_halves(const uint8_t* from) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  }
  FREEHOLD_INLINE static __m128i load_some_halves(const uint8_t* from, size_t count) {
    uint16_t some[kLanes];
    copy_some(from, count, some);
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(some));
  }
  FREEHOLD_INLINE static F from_bf16(__m128i halves) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
  }
  FREEHOLD_INLINE static F widen(F32Weights, const uint8_t* from) {
    return _mm256_loadu_ps(reinterpret_cast<const float*>(from));
  }
  FREEHOLD_INLINE static F widen_some(F32Weights, const uint8_t* from, size_t count) {
    return load_some(from, count);
  }
  FREEHOLD_INLINE static F widen(F16Weights, const uint8_t* from) {
    return _mm256_cvtph_ps(load_halves(from));
  }
  FREEHOLD_INLINE static F widen_some(F16Weights, const uint8_t* from, size_t count) {
    return _mm256_cvtph_ps(load_some_halves(from, count));
  }
  FREEHOLD_INLINE static F widen(Bf16Weights, const uint8_t* from) {
    return from_bf16(load_halves(from));
  }
  FREEHOLD_INLINE static F widen_some(Bf16Weights, const uint8_t* from, size_t count) {
    return from_bf16(load_some_halves(from, count));
  }

  /// l with l + 16, + 8, + 4, + 2, + 1.
  FREEHOLD_INLINE static float sum_tree(const F (&parts)[4]) {
    const __m256 by16_low = _mm256_add_ps(parts[0], parts[2]);
    const __m256 by16_high = _mm256_add_ps(parts[1], parts[3]);
    const __m256 by8 = _mm256_add_ps(by16_low, by16_high);
    const __m128 by4 = _mm_add_ps(_mm256_castps256_ps128(by8), _mm256_extractf128_ps(by8, 1));
    const __m128 by2 = _mm_add_ps(by4, _mm_movehl_ps(by4, by4));
    return _mm_cvtss_f32(_mm_add_ss(by2, _mm_movehdup_ps(by2)));
  }
};

}  // namespace freehold::quant
