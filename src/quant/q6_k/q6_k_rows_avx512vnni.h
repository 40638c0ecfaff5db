#pragma once
// Q6_K for rows_avx512vnni.h. Of a half block, low nibbles are its first 64 values, high nibbles
// the others; the two top bits of value i are at bits i / 32 * 2 of byte i % 32 of the half's 32.

#include "quant/q6_k/q6_k_tile.h"
#include "quant/rows_avx512vnni.h"

namespace freehold::quant {

struct Q6KRows {
  using Tile = Q6KTile;

  struct Group {
    __m512 w;
    __m512 v;
    __m512i second;
    __m512i order[2];  // scales of each half as packed_sums lays out sums

    FREEHOLD_INLINE void decode(const uint8_t* rows, size_t stride,
                                const ColumnTerms<Q6KTile, LanesAvx512Vnni>&, const int16_t*) {
      w = LanesAvx512Vnni::f16_high(LanesAvx512Vnni::load1(rows + 206, stride));
      v = _mm512_setzero_ps();
      second = _mm512_setzero_si512();
      // 128 bits number k hold scales k four times, then k + 4.
      const __m128i step = _mm_setr_epi16(0, 0, 0, 0, 4, 4, 4, 4);
      const __m512i lane =
          _mm512_set_epi64(0x0003000300030003, 0x0003000300030003, 0x0002000200020002,
                           0x0002000200020002, 0x0001000100010001, 0x0001000100010001, 0, 0);
      order[0] = _mm512_add_epi16(_mm512_broadcast_i32x4(step), lane);
      order[1] = _mm512_add_epi16(order[0], _mm512_set1_epi16(8));
    }
  };

  template <size_t r>
  FREEHOLD_INLINE static __m512i row(const uint8_t* bytes, const RowOperand& x,
                                     const Group& group) {
    const __m512i nibble = _mm512_set1_epi8(0x0F);
    const __m512i top = _mm512_set1_epi8(0x30);
    const __m512i by_half = _mm512_setr_epi64(0, 0, 0, 0, 2, 2, 2, 2);
    const __m512i scales = _mm512_castsi256_si512(
        _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes + 192))));
    __m512i sum = _mm512_setzero_si512();
    repeat<2>([&](auto half) __attribute__((always_inline)) {
      const __m512i low = _mm512_loadu_si512(bytes + 64 * half);
      const __m512i twice = _mm512_srlv_epi64(
          _mm512_broadcast_i64x4(
              _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + 128 + 32 * half))),
          by_half);
      // 0xEA: (a & b) | c
      const __m512i first = _mm512_ternarylogic_epi32(_mm512_slli_epi64(twice, 4), top,
                                                      _mm512_and_si512(low, nibble), 0xEA);
      const __m512i second = _mm512_ternarylogic_epi32(
          twice, top, _mm512_and_si512(_mm512_srli_epi64(low, 4), nibble), 0xEA);
      sum = _mm512_dpwssd_epi32(sum, packed_sums<2 * half, 2 * half + 1>(x, first, second),
                                _mm512_permutexvar_epi16(group.order[half], scales));
    });
    return sum;
  }
};

}  // namespace freehold::quant
