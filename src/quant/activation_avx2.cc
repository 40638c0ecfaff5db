#include <immintrin.h>

#include "quant/activation_paths.h"
#include "quant/quantise.h"

namespace freehold::quant {
namespace {

struct QuantiseAvx2 {
  FREEHOLD_INLINE static uint32_t largest_magnitude(const float* x, size_t count) {
    const __m256i no_sign = _mm256_set1_epi32(0x7FFFFFFF);
    __m256i largest[4] = {};
    for (size_t i = 0; i < count; i += 32) {
      repeat<4>([&](auto part) __attribute__((always_inline)) {
        const __m256i bits = _mm256_castps_si256(_mm256_loadu_ps(x + i + 8 * part));
        largest[part] = _mm256_max_epi32(largest[part], _mm256_and_si256(bits, no_sign));
      });
    }
    const __m256i all = _mm256_max_epi32(_mm256_max_epi32(largest[0], largest[1]),
                                         _mm256_max_epi32(largest[2], largest[3]));
    __m128i four = _mm_max_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4E));
    four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xB1));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(four));
  }
  FREEHOLD_INLINE static void quantise32(const float* x, float inverse, int8_t* q, int16_t* sums) {
    const __m256 factor = _mm256_set1_ps(inverse);
    __m256i rounded[4];
    repeat<4>([&](auto part) __attribute__((always_inline)) {
      // Converting rounds to nearest even, as every worker's mode is checked to say.
      rounded[part] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * part), factor));
    });
    // Packs work in 128-bit halves; a permutation of dwords puts the bytes back in order. They
    // saturate at 127 and -128, so the clamp only has -128 left to do.
    const __m256i low = _mm256_packs_epi32(rounded[0], rounded[1]);
    const __m256i high = _mm256_packs_epi32(rounded[2], rounded[3]);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    bytes = _mm256_max_epi8(bytes, _mm256_set1_epi8(-127));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), bytes);
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);
    __m256i sum = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    sum = _mm256_hadd_epi32(sum, sum);
    sum = _mm256_hadd_epi32(sum, sum);
    sums[0] = static_cast<int16_t>(_mm256_cvtsi256_si32(sum));
    sums[1] = static_cast<int16_t>(_mm_cvtsi128_si32(_mm256_extracti128_si256(sum, 1)));
  }
};

}  // namespace

bool quantise_row_avx2(const QuantiseRow& task) { return quantise_row_fast<QuantiseAvx2>(task); }

}  // namespace freehold::quant
