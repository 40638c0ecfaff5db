#pragma once
// Sixteen lanes in 512-bit registers, dots by VNNI. The back end of tile.h for x86-64-v4 with VNNI;
// only *_avx512vnni.cc and *_amx.cc files may include it. Intrinsics only: g++ 12 miscompiles plain
// signed int8 dot loops for these targets.

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quant/column_sums_avx2.h"
#include "quant/tile.h"

namespace freehold::quant {

struct LanesAvx512Vnni : ColumnSumsAvx2 {
  using I = __m512i;
  using F = __m512;
  static constexpr size_t kRows = 16;
  static constexpr size_t kColumns = 4;
  static constexpr size_t kChains = 8;
  static constexpr size_t kFused = 4;
  static constexpr bool kSignedTiles = false;
  static constexpr bool kOpensAt = true;

  // Memory. `rows` points at the first row's bytes, the others follow at `stride`.
  FREEHOLD_INLINE static __m512i quarter_rows(const uint8_t* rows, size_t stride) {
    const auto load = [](const uint8_t* at) __attribute__((always_inline)) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
    };
    // Halves first: Zen 4 joins 128 bits to 256 twice as fast as to 512.
    const auto half = [&](const uint8_t* at) __attribute__((always_inline)) {
      return _mm256_inserti128_si256(_mm256_castsi128_si256(load(at)), load(at + 4 * stride), 1);
    };
    return _mm512_inserti64x4(_mm512_castsi256_si512(half(rows)), half(rows + 8 * stride), 1);
  }
  /// Sixteen bytes of each row as four vectors of dwords.
  FREEHOLD_INLINE static void load4(const uint8_t* rows, size_t stride, I* out) {
    const __m512i row0 = quarter_rows(rows, stride);
    const __m512i row1 = quarter_rows(rows + stride, stride);
    const __m512i row2 = quarter_rows(rows + 2 * stride, stride);
    const __m512i row3 = quarter_rows(rows + 3 * stride, stride);
    const __m512i low01 = _mm512_unpacklo_epi32(row0, row1);
    const __m512i low23 = _mm512_unpacklo_epi32(row2, row3);
    const __m512i high01 = _mm512_unpackhi_epi32(row0, row1);
    const __m512i high23 = _mm512_unpackhi_epi32(row2, row3);
    out[0] = _mm512_unpacklo_epi64(low01, low23);
    out[1] = _mm512_unpackhi_epi64(low01, low23);
    out[2] = _mm512_unpacklo_epi64(high01, high23);
    out[3] = _mm512_unpackhi_epi64(high01, high23);
  }
  /// Four bytes of each row. Loads and joins: half the time of a gather on Zen 4, and gathers are
  /// slow on processors that must guard against data sampling.
  FREEHOLD_INLINE static __m128i load1_of_four(const uint8_t* rows, size_t stride) {
    const auto load = [&](size_t row) __attribute__((always_inline)) {
      int32_t value;
      std::memcpy(&value, rows + row * stride, sizeof(value));
      return _mm_cvtsi32_si128(value);
    };
    return _mm_unpacklo_epi64(_mm_unpacklo_epi32(load(0), load(1)),
                              _mm_unpacklo_epi32(load(2), load(3)));
  }
  FREEHOLD_INLINE static I load1(const uint8_t* rows, size_t stride) {
    const auto half = [&](const uint8_t* at) __attribute__((always_inline)) {
      return _mm256_inserti128_si256(_mm256_castsi128_si256(load1_of_four(at, stride)),
                                     load1_of_four(at + 4 * stride, stride), 1);
    };
    return _mm512_inserti64x4(_mm512_castsi256_si512(half(rows)), half(rows + 8 * stride), 1);
  }
  FREEHOLD_INLINE static F load(const float* from) { return _mm512_load_ps(from); }
  FREEHOLD_INLINE static void store(float* to, F value) { _mm512_store_ps(to, value); }
  FREEHOLD_INLINE static void store_some(float* to, F value, size_t count) {
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << count) - 1u), value);
  }

  // Lane arithmetic on dwords.
  FREEHOLD_INLINE static I zero() { return _mm512_setzero_si512(); }
  FREEHOLD_INLINE static I splat(uint32_t value) {
    return _mm512_set1_epi32(static_cast<int>(value));
  }
  FREEHOLD_INLINE static I splat_pair(int16_t value) { return _mm512_set1_epi16(value); }
  FREEHOLD_INLINE static I and_mask(I a, uint32_t mask) { return _mm512_and_si512(a, splat(mask)); }
  /// (a & mask) | b
  FREEHOLD_INLINE static I and_or(I a, uint32_t mask, I b) {
    return _mm512_ternarylogic_epi32(a, splat(mask), b, 0xEA);
  }
  FREEHOLD_INLINE static I or_(I a, I b) { return _mm512_or_si512(a, b); }
  /// Right by `bits`, left by -`bits`; no bits come in.
  template <int bits>
  FREEHOLD_INLINE static I shift_right(I a) {
    if constexpr (bits > 0) return _mm512_srli_epi32(a, bits);
    if constexpr (bits < 0) return _mm512_slli_epi32(a, -bits);
    return a;
  }
  FREEHOLD_INLINE static I add32(I a, uint32_t b) { return _mm512_add_epi32(a, splat(b)); }
  FREEHOLD_INLINE static I sub8(I a, uint8_t b) {
    return _mm512_sub_epi8(a, _mm512_set1_epi8(static_cast<char>(b)));
  }
  FREEHOLD_INLINE static I max32(I a, I b) { return _mm512_max_epi32(a, b); }
  FREEHOLD_INLINE static I negate(I a) { return _mm512_sub_epi32(_mm512_setzero_si512(), a); }

  // Bytes of tiles.
  /// Signed bytes as this back end stores kSigned tiles: offset by 128.
  FREEHOLD_INLINE static I from_signed(I bytes) {
    return _mm512_xor_si512(bytes, splat(0x80808080u));
  }
  /// table[byte] + offset for bytes 0-15.
  template <int offset>
  FREEHOLD_INLINE static I look_up(const int8_t (&table)[16], I bytes) {
    __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    entries = _mm_add_epi8(entries, _mm_set1_epi8(static_cast<char>(offset)));
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(entries), bytes);
  }
  /// table[byte] as a kSigned tile.
  FREEHOLD_INLINE static I look_up_signed(const int8_t (&table)[16], I bytes) {
    return look_up<-128>(table, bytes);  // -128 and +128 are the same byte
  }
  /// Byte i of each lane is 0x10 where bit 4 k + i of the lane is set, else 0.
  template <int k>
  FREEHOLD_INLINE static I fifth_bits(I bits) {
    const __m512i spread =
        _mm512_setr_epi32(0x00000000, 0x00000010, 0x00001000, 0x00001010, 0x00100000, 0x00100010,
                          0x00101000, 0x00101010, 0x10000000, 0x10000010, 0x10001000, 0x10001010,
                          0x10100000, 0x10100010, 0x10101000, 0x10101010);
    return _mm512_permutexvar_epi32(shift_right<4 * k>(bits), spread);
  }

  // Scales and pairs out of bytes of a lane.
  template <int b0, int b1, int b2, int b3>
  FREEHOLD_INLINE static I pick_bytes(I a) {
    constexpr uint32_t kPick =
        static_cast<uint32_t>(b0 & 0xFF) | static_cast<uint32_t>(b1 & 0xFF) << 8 |
        static_cast<uint32_t>(b2 & 0xFF) << 16 | static_cast<uint32_t>(b3 & 0xFF) << 24;
    constexpr auto of_lane = [](uint32_t lane) {
      uint32_t pick = kPick;
      for (uint32_t byte = 0; byte < 4; ++byte) {
        if (((kPick >> (8 * byte)) & 0x80u) == 0) pick += (4 * lane) << (8 * byte);
      }
      return static_cast<int>(pick);
    };
    constexpr int kLane[4] = {of_lane(0), of_lane(1), of_lane(2), of_lane(3)};
    const __m128i pick = _mm_setr_epi32(kLane[0], kLane[1], kLane[2], kLane[3]);
    return _mm512_shuffle_epi8(a, _mm512_broadcast_i32x4(pick));
  }
  template <int j>
  FREEHOLD_INLINE static I scale_u8(I packed) {
    return pick_bytes<j, -1, -1, -1>(packed);
  }
  template <int j>
  FREEHOLD_INLINE static I scale_s8(I packed) {
    return _mm512_srai_epi32(pick_bytes<-1, -1, -1, j>(packed), 24);
  }
  FREEHOLD_INLINE static I no_scale() { return _mm512_setzero_si512(); }
  /// (byte a, byte b) as a pair of int16.
  template <int a, int b>
  FREEHOLD_INLINE static I pair_u8(I packed) {
    return pick_bytes<a, -1, b, -1>(packed);
  }
  /// The same for signed bytes, times a factor of -128 … 127.
  template <int a, int b, int factor>
  FREEHOLD_INLINE static I pair_s8(I packed) {
    return _mm512_mulhi_epi16(pick_bytes<-1, a, -1, b>(packed),
                              _mm512_set1_epi16(static_cast<int16_t>(factor * 256)));
  }

  // Dots.
  FREEHOLD_INLINE static I broadcast4(const void* from) {
    int32_t value;
    std::memcpy(&value, from, sizeof(value));
    return _mm512_set1_epi32(value);
  }
  FREEHOLD_INLINE static I dot_pairs(I sum, I pairs, const int16_t* sums) {
    return _mm512_dpwssd_epi32(sum, pairs, broadcast4(sums));
  }
  FREEHOLD_INLINE static I splat_at(const int32_t* from) { return broadcast4(from); }
  /// 16 sums of 16 activations, times `factor`.
  FREEHOLD_INLINE static void sums16(const int16_t* sums, int factor, int32_t* out) {
    const __m256i all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(sums));
    _mm512_store_si512(out,
                       _mm512_mullo_epi32(_mm512_cvtepi16_epi32(all), _mm512_set1_epi32(factor)));
  }
  template <class T>
  static constexpr size_t chunk() {
    return T::kSubValues / 4;
  }
  template <class T>
  FREEHOLD_INLINE static I open(I sum) {
    return T::kScaled ? zero() : sum;
  }
  template <class T>
  FREEHOLD_INLINE static I dot(I part, I bytes, const int8_t* q) {
    return _mm512_dpbusd_epi32(part, bytes, broadcast4(q));
  }
  template <class T>
  FREEHOLD_INLINE static I close(I sum, I part, I scale) {
    if constexpr (!T::kScaled) return part;
    return _mm512_add_epi32(sum, _mm512_mullo_epi32(part, scale));
  }

  // Planes of wide_dot.h.
  FREEHOLD_INLINE static I load_dwords(const int32_t* from) { return _mm512_load_si512(from); }
  FREEHOLD_INLINE static I add(I a, I b) { return _mm512_add_epi32(a, b); }
  /// The low 16 bits of each lane in both halves.
  FREEHOLD_INLINE static I both_halves(I a) {
    return _mm512_or_si512(and_mask(a, 0xFFFFu), _mm512_slli_epi32(a, 16));
  }
  /// w = scale x (byte - offset) as 128 high + low, low in 0 … 127.
  template <int offset>
  FREEHOLD_INLINE static void planes(I bytes, I both, I& low, I& high) {
    const __m512i first_bytes = splat(0x00FF00FFu);
    __m512i even = _mm512_and_si512(bytes, first_bytes);
    __m512i odd = _mm512_srli_epi16(bytes, 8);
    if constexpr (offset != 0) {
      even = _mm512_sub_epi16(even, _mm512_set1_epi16(offset));
      odd = _mm512_sub_epi16(odd, _mm512_set1_epi16(offset));
    }
    even = _mm512_mullo_epi16(even, both);
    odd = _mm512_mullo_epi16(odd, both);
    // 0xCA: where the first is set the second, else the third.
    low = and_mask(_mm512_ternarylogic_epi32(first_bytes, even, _mm512_slli_epi16(odd, 8), 0xCA),
                   0x7F7F7F7Fu);
    high = _mm512_ternarylogic_epi32(first_bytes, _mm512_srli_epi16(even, 7),
                                     _mm512_slli_epi16(odd, 1), 0xCA);
  }

  // Floats.
  FREEHOLD_INLINE static F splat(float value) { return _mm512_set1_ps(value); }
  FREEHOLD_INLINE static F to_float(I a) { return _mm512_cvtepi32_ps(a); }
  FREEHOLD_INLINE static F as_float(I a) { return _mm512_castsi512_ps(a); }
  FREEHOLD_INLINE static F multiply(F a, F b) { return _mm512_mul_ps(a, b); }
  FREEHOLD_INLINE static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  /// The f16 in the low, or high, half of each lane.
  FREEHOLD_INLINE static F f16_low(I a) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(a)); }
  FREEHOLD_INLINE static F f16_high(I a) { return f16_low(_mm512_srli_epi32(a, 16)); }
};

}  // namespace freehold::quant
