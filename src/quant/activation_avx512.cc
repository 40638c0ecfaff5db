#include <immintrin.h>

#include "quant/activation_paths.h"
#include "quant/quantise.h"

namespace freehold::quant {
namespace {

struct QuantiseAvx512 {
  FREEHOLD_INLINE static uint32_t largest_magnitude(const float* x, size_t count) {
    const __m512i no_sign = _mm512_set1_epi32(0x7FFFFFFF);
    __m512i largest[2] = {_mm512_setzero_si512(), _mm512_setzero_si512()};
    for (size_t i = 0; i < count; i += 32) {
      repeat<2>([&](auto part) __attribute__((always_inline)) {
        const __m512i bits = _mm512_castps_si512(_mm512_loadu_ps(x + i + 16 * part));
        largest[part] = _mm512_max_epi32(largest[part], _mm512_and_si512(bits, no_sign));
      });
    }
    return static_cast<uint32_t>(_mm512_reduce_max_epi32(_mm512_max_epi32(largest[0], largest[1])));
  }
  FREEHOLD_INLINE static void quantise32(const float* x, float inverse, int8_t* q, int16_t* sums) {
    const __m512 factor = _mm512_set1_ps(inverse);
    repeat<2>([&](auto part) __attribute__((always_inline)) {
      const __m512 scaled = _mm512_mul_ps(_mm512_loadu_ps(x + 16 * part), factor);
      // Converting rounds to nearest even, as every worker's mode is checked to say.
      __m512i rounded = _mm512_cvtps_epi32(scaled);
      rounded = _mm512_max_epi32(rounded, _mm512_set1_epi32(-127));
      rounded = _mm512_min_epi32(rounded, _mm512_set1_epi32(127));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(q + 16 * part), _mm512_cvtepi32_epi8(rounded));
      sums[part] = static_cast<int16_t>(_mm512_reduce_add_epi32(rounded));
    });
  }
};

}  // namespace

bool quantise_row_avx512(const QuantiseRow& task) {
  return quantise_row_fast<QuantiseAvx512>(task);
}

}  // namespace freehold::quant
