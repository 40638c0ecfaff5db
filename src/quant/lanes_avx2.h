#pragma once
// Eight lanes in 256-bit registers for x86-64-v3, the back end of tile.h; only *_avx2.cc files may
// include it. Products are summed in 16 bits only as long as they cannot saturate (chunk).

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quant/column_sums_avx2.h"
#include "quant/tile.h"

namespace freehold::quant {

struct LanesAvx2 : ColumnSumsAvx2 {
  using I = __m256i;
  using F = __m256;
  static constexpr size_t kRows = 8;
  static constexpr size_t kColumns = 4;
  static constexpr size_t kChains = 4;
  static constexpr size_t kFused = 1;
  static constexpr bool kSignedTiles = true;
  static constexpr bool kOpensAt = false;  // parts are sums of 16 bits

  // Memory. `rows` points at the first row's bytes, the others follow at `stride`.
  FREEHOLD_INLINE static __m256i half_rows(const uint8_t* rows, size_t stride) {
    const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows));
    const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows + 4 * stride));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
  }
  /// Sixteen bytes of each row as four vectors of dwords.
  FREEHOLD_INLINE static void load4(const uint8_t* rows, size_t stride, I* out) {
    const __m256i row0 = half_rows(rows, stride);
    const __m256i row1 = half_rows(rows + stride, stride);
    const __m256i row2 = half_rows(rows + 2 * stride, stride);
    const __m256i row3 = half_rows(rows + 3 * stride, stride);
    const __m256i low01 = _mm256_unpacklo_epi32(row0, row1);
    const __m256i low23 = _mm256_unpacklo_epi32(row2, row3);
    const __m256i high01 = _mm256_unpackhi_epi32(row0, row1);
    const __m256i high23 = _mm256_unpackhi_epi32(row2, row3);
    out[0] = _mm256_unpacklo_epi64(low01, low23);
    out[1] = _mm256_unpackhi_epi64(low01, low23);
    out[2] = _mm256_unpacklo_epi64(high01, high23);
    out[3] = _mm256_unpackhi_epi64(high01, high23);
  }
  /// Four bytes of each row.
  FREEHOLD_INLINE static I load1(const uint8_t* rows, size_t stride) {
    const auto load = [&](size_t row) __attribute__((always_inline)) {
      int32_t value;
      std::memcpy(&value, rows + row * stride, sizeof(value));
      return value;
    };
    return _mm256_setr_epi32(load(0), load(1), load(2), load(3), load(4), load(5), load(6),
                             load(7));
  }
  FREEHOLD_INLINE static F load(const float* from) { return _mm256_load_ps(from); }
  FREEHOLD_INLINE static void store(float* to, F value) { _mm256_store_ps(to, value); }
  FREEHOLD_INLINE static void store_some(float* to, F value, size_t count) {
    alignas(32) float lanes[kRows];
    _mm256_store_ps(lanes, value);
    std::memcpy(to, lanes, count * sizeof(float));
  }

  // Lane arithmetic on dwords.
  FREEHOLD_INLINE static I zero() { return _mm256_setzero_si256(); }
  FREEHOLD_INLINE static I splat(uint32_t value) {
    return _mm256_set1_epi32(static_cast<int>(value));
  }
  FREEHOLD_INLINE static I splat_pair(int16_t value) { return _mm256_set1_epi16(value); }
  FREEHOLD_INLINE static I and_mask(I a, uint32_t mask) { return _mm256_and_si256(a, splat(mask)); }
  /// (a & mask) | b
  FREEHOLD_INLINE static I and_or(I a, uint32_t mask, I b) {
    return _mm256_or_si256(and_mask(a, mask), b);
  }
  FREEHOLD_INLINE static I or_(I a, I b) { return _mm256_or_si256(a, b); }
  /// Right by `bits`, left by -`bits`; no bits come in.
  template <int bits>
  FREEHOLD_INLINE static I shift_right(I a) {
    if constexpr (bits > 0) return _mm256_srli_epi32(a, bits);
    if constexpr (bits < 0) return _mm256_slli_epi32(a, -bits);
    return a;
  }
  FREEHOLD_INLINE static I add32(I a, uint32_t b) { return _mm256_add_epi32(a, splat(b)); }
  FREEHOLD_INLINE static I sub8(I a, uint8_t b) {
    return _mm256_sub_epi8(a, _mm256_set1_epi8(static_cast<char>(b)));
  }
  FREEHOLD_INLINE static I max32(I a, I b) { return _mm256_max_epi32(a, b); }
  FREEHOLD_INLINE static I negate(I a) { return _mm256_sub_epi32(_mm256_setzero_si256(), a); }

  // Bytes of tiles.
  /// Signed bytes as this back end stores kSigned tiles: as they are.
  FREEHOLD_INLINE static I from_signed(I bytes) { return bytes; }
  /// table[byte] + offset for bytes 0-15.
  template <int offset>
  FREEHOLD_INLINE static I look_up(const int8_t (&table)[16], I bytes) {
    __m128i entries = _mm_loadu_si128(reinterpret_cast<const __m128i*>(table));
    entries = _mm_add_epi8(entries, _mm_set1_epi8(static_cast<char>(offset)));
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(entries), bytes);
  }
  /// table[byte] as a kSigned tile.
  FREEHOLD_INLINE static I look_up_signed(const int8_t (&table)[16], I bytes) {
    return look_up<0>(table, bytes);
  }
  /// Byte i of each lane is 0x10 where bit 4 k + i of the lane is set, else 0.
  template <int k>
  FREEHOLD_INLINE static I fifth_bits(I bits) {
    constexpr int kByte = k / 2;
    const __m256i repeated = pick_bytes<kByte, kByte, kByte, kByte>(bits);
    const __m256i mask = splat(k % 2 == 0 ? 0x08040201u : 0x80402010u);
    const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(repeated, mask), mask);
    return and_mask(set, 0x10101010u);
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
    return _mm256_shuffle_epi8(a, _mm256_broadcastsi128_si256(pick));
  }
  /// Scales are pairs (s, s): one multiply-add of 16-bit pairs widens and scales a part.
  template <int j>
  FREEHOLD_INLINE static I scale_u8(I packed) {
    return pick_bytes<j, -1, j, -1>(packed);
  }
  template <int j>
  FREEHOLD_INLINE static I scale_s8(I packed) {
    return _mm256_srai_epi16(pick_bytes<-1, j, -1, j>(packed), 8);
  }
  FREEHOLD_INLINE static I no_scale() { return _mm256_set1_epi16(1); }
  /// (byte a, byte b) as a pair of int16.
  template <int a, int b>
  FREEHOLD_INLINE static I pair_u8(I packed) {
    return pick_bytes<a, -1, b, -1>(packed);
  }
  /// The same for signed bytes, times a factor of -128 … 127.
  template <int a, int b, int factor>
  FREEHOLD_INLINE static I pair_s8(I packed) {
    return _mm256_mulhi_epi16(pick_bytes<-1, a, -1, b>(packed),
                              _mm256_set1_epi16(static_cast<int16_t>(factor * 256)));
  }

  // Dots.
  FREEHOLD_INLINE static I broadcast4(const void* from) {
    int32_t value;
    std::memcpy(&value, from, sizeof(value));
    return _mm256_set1_epi32(value);
  }
  FREEHOLD_INLINE static I dot_pairs(I sum, I pairs, const int16_t* sums) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, broadcast4(sums)));
  }
  FREEHOLD_INLINE static I splat_at(const int32_t* from) { return broadcast4(from); }
  /// Dwords whose products fit 16 bits: two products of at most kByteMax x 127 each.
  template <class T>
  static constexpr size_t chunk() {
    if (T::kSigned) return 1;  // 2 x 128 x 127 = 32512
    size_t dwords = T::kSubValues / 4;
    while (dwords * 2 * T::kByteMax * 127 > 32767) dwords /= 2;
    return dwords;
  }
  template <class T>
  FREEHOLD_INLINE static I open(I) {
    return zero();
  }
  template <class T>
  FREEHOLD_INLINE static I dot(I part, I bytes, const int8_t* q) {
    if constexpr (T::kSigned) {
      return _mm256_maddubs_epi16(_mm256_abs_epi8(bytes), _mm256_sign_epi8(broadcast4(q), bytes));
    } else {
      return _mm256_add_epi16(part, _mm256_maddubs_epi16(bytes, broadcast4(q)));
    }
  }
  template <class T>
  FREEHOLD_INLINE static I close(I sum, I part, I scale) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(part, T::kScaled ? scale : no_scale()));
  }

  // Floats.
  FREEHOLD_INLINE static F splat(float value) { return _mm256_set1_ps(value); }
  FREEHOLD_INLINE static F to_float(I a) { return _mm256_cvtepi32_ps(a); }
  FREEHOLD_INLINE static F as_float(I a) { return _mm256_castsi256_ps(a); }
  FREEHOLD_INLINE static F multiply(F a, F b) { return _mm256_mul_ps(a, b); }
  FREEHOLD_INLINE static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  /// The f16 in the low, or high, half of each lane.
  FREEHOLD_INLINE static F f16_low(I a) { return f16_high(_mm256_slli_epi32(a, 16)); }
  FREEHOLD_INLINE static F f16_high(I a) {
    const __m256i half = _mm256_srli_epi32(a, 16);
    const __m128i packed =
        _mm_packus_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
    return _mm256_cvtph_ps(packed);
  }
};

}  // namespace freehold::quant
