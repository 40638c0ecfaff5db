#include <immintrin.h>

#include "ops/attention/attention_kernel.h"
#include "ops/op_table.h"

namespace freehold::ops {

namespace {

struct Avx512 {
  using F = __m512;
  static constexpr size_t kLanes = 16;
  static constexpr size_t kBlockRows = 8;  // 16 accumulators

  static F zero() { return _mm512_setzero_ps(); }
  static F set1(float x) { return _mm512_set1_ps(x); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F multiply(F a, F b) { return _mm512_mul_ps(a, b); }
  static F load(const float* x) { return _mm512_loadu_ps(x); }
  static void store(float* x, F value) { _mm512_storeu_ps(x, value); }
  static F load_f16(const std::byte* bytes) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)));
  }
  static F load_i8(const std::byte* bytes) {
    const __m128i q = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q));
  }
  static F set1_f16(const std::byte* bytes) {
    uint16_t half = 0;
    __builtin_memcpy(&half, bytes, sizeof(half));
    return _mm512_set1_ps(_cvtsh_ss(half));
  }
};

}  // namespace

void attention_avx512(const Attention& task) { AttentionPass<Avx512>(task).run(); }

}  // namespace freehold::ops
