#include <immintrin.h>

#include "ops/kv_write/kv_write_kernel.h"
#include "ops/op_table.h"

namespace freehold::ops {

namespace {

struct Avx512 {
  /// Greatest |x| of 32 values, by their bits: it orders numbers, infinity and NaN alike.
  static uint32_t largest_magnitude(const float* x) {
    const __m512i mask = _mm512_set1_epi32(0x7FFFFFFF);
    const __m512i low = _mm512_and_si512(_mm512_loadu_si512(x), mask);
    const __m512i high = _mm512_and_si512(_mm512_loadu_si512(x + 16), mask);
    return _mm512_reduce_max_epu32(_mm512_max_epu32(low, high));
  }

  static bool finite(const float* x) { return largest_magnitude(x) < 0x7F800000u; }

  static bool narrow(const float* x, uint16_t* half) {
    __mmask16 infinite = 0;
    for (size_t i = 0; i < kQuantGroup; i += 16) {
      const __m256i h = _mm512_cvtps_ph(_mm512_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);
      _mm256_store_si256(reinterpret_cast<__m256i*>(half + i), h);
      const __m256i exponent = _mm256_set1_epi16(0x7C00);
      infinite = static_cast<__mmask16>(
          infinite | _mm256_cmpeq_epi16_mask(_mm256_and_si256(h, exponent), exponent));
    }
    return infinite == 0;
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
    // |x * inv| rounds to 127 at most, so nothing saturates.
    const __m512 inv = _mm512_set1_ps(127.0f / amax);
    for (size_t i = 0; i < kQuantGroup; i += 16) {
      const __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), inv));
      _mm_store_si128(reinterpret_cast<__m128i*>(q + i), _mm512_cvtsepi32_epi8(rounded));
    }
    const __m128i scale = _mm_cvtps_ph(_mm_set_ss(amax / 127.0f), _MM_FROUND_TO_NEAREST_INT);
    *d = static_cast<uint16_t>(_mm_extract_epi16(scale, 0));
    return (*d & 0x7C00u) != 0x7C00u;
  }
};

}  // namespace

void kv_write_avx512(const KvWrite& task) { kv_write_fast<Avx512>(task); }

}  // namespace freehold::ops
