#pragma once
// Sums of 32 activations out of a column's sums of 16, in 256-bit registers: what both x86 back
// ends of tile.h share. Only lanes_avx2.h and lanes_avx512vnni.h include this.

#include <immintrin.h>

#include <cstdint>

#include "quant/tile.h"

namespace freehold::quant {

struct ColumnSumsAvx2 {
  /// 8 sums of 32 activations, times `factor`, from sums of 16.
  FREEHOLD_INLINE static __m256i wide_sums(const int16_t* sums, int factor) {
    const __m256i all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums));
    return _mm256_madd_epi16(all, _mm256_set1_epi16(static_cast<int16_t>(factor)));
  }
  FREEHOLD_INLINE static void sums32(const int16_t* sums, int factor, int32_t* out) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(out), wide_sums(sums, factor));
  }
  FREEHOLD_INLINE static void sums32_float(const int16_t* sums, float* out) {
    _mm256_store_ps(out, _mm256_cvtepi32_ps(wide_sums(sums, 1)));
  }
  FREEHOLD_INLINE static void sums32_narrow(const int16_t* sums, int16_t* out) {
    const __m256i wide = wide_sums(sums, 1);
    _mm_store_si128(
        reinterpret_cast<__m128i*>(out),
        _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1)));
  }
};

}  // namespace freehold::quant
