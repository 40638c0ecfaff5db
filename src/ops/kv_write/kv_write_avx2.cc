#include <immintrin.h>

#include "ops/kv_write/kv_write_kernel.h"
#include "ops/op_table.h"

namespace freehold::ops {

namespace {

struct Avx2 {
  static __m256 absolute(__m256 x) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x); }

  /// Greatest |x| of 32 values, by their bits: it orders numbers, infinity and NaN alike.
  static uint32_t largest_magnitude(const float* x) {
    __m256i largest = _mm256_setzero_si256();
    for (size_t i = 0; i < kQuantGroup; i += 8) {
      const __m256i bits = _mm256_castps_si256(absolute(_mm256_loadu_ps(x + i)));
      largest = _mm256_max_epu32(largest, bits);
    }
    __m128i half =
        _mm_max_epu32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
    half = _mm_max_epu32(half, _mm_shuffle_epi32(half, 0x4E));
    half = _mm_max_epu32(half, _mm_shuffle_epi32(half, 0xB1));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(half));
  }

  static bool finite(const float* x) { return largest_magnitude(x) < 0x7F800000u; }

  static bool narrow(const float* x, uint16_t* half) {
    __m128i largest = _mm_setzero_si128();
    for (size_t i = 0; i < kQuantGroup; i += 8) {
      const __m128i h = _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);
      _mm_store_si128(reinterpret_cast<__m128i*>(half + i), h);
      largest = _mm_max_epu16(largest, _mm_and_si128(h, _mm_set1_epi16(0x7C00)));
    }
    const __m128i infinite = _mm_cmpeq_epi16(largest, _mm_set1_epi16(0x7C00));
    return _mm_testz_si128(infinite, infinite) != 0;
  }

  static bool quantise(const float* x, int8_t* q, uint16_t* d) {
    const uint32_t bits = largest_magnitude(x);
    float amax = 0;
    std::memcpy(&amax, &bits, sizeof(amax));
    if (bits >= 0x7F800000u || amax < 0x1p-100f) {
      *d = 0;
      std::memset(q, 0, kQuantGroup);
      return bits < 0x7F800000u;
    }
    const __m256 inv = _mm256_set1_ps(127.0f / amax);
    __m256i rounded[4];
    for (size_t i = 0; i < 4; ++i) {
      rounded[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i * 8), inv));
    }
    // |x * inv| rounds to 127 at most, so the saturation of the packs is never used.
    const __m256i low = _mm256_packs_epi32(rounded[0], rounded[1]);
    const __m256i high = _mm256_packs_epi32(rounded[2], rounded[3]);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    _mm256_store_si256(reinterpret_cast<__m256i*>(q), bytes);
    const __m128i scale = _mm_cvtps_ph(_mm_set_ss(amax / 127.0f), _MM_FROUND_TO_NEAREST_INT);
    *d = static_cast<uint16_t>(_mm_extract_epi16(scale, 0));
    return (*d & 0x7C00u) != 0x7C00u;
  }
};

}  // namespace

void kv_write_avx2(const KvWrite& task) { kv_write_fast<Avx2>(task); }

}  // namespace freehold::ops
