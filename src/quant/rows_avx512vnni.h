#pragma once
// One column times sixteen rows with the values of a row side by side, as they lie in the file: for
// formats whose transposed unpacking (tile.h) takes longer than memory does at n = 1. A row's sums
// of four products fit 16 bits, so that two registers of them pack into one and meet the scales as
// pairs; only the sixteen lanes that are left of each row are transposed, by a tree of adds, so
// that the f32 chains run in lanes across rows as in tile.h. Integer sums are exact in any order:
// the bits are those of plain.h. Only *_avx512vnni.cc files may include this.
//
// A format gives rows (quant/NAME/NAME_rows_avx512vnni.h):
//   Tile     its tile.h tile
//   Group    what sixteen rows share: decode(rows, stride, terms, sums) fills w, v, second, and
//            whatever row() wants
//   row<r>(bytes, operand, group)   sixteen lanes that add up to S of row r

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "quant/lanes_avx512vnni.h"
#include "quant/tile.h"

namespace freehold::quant {

/// 256 activations as four registers of bytes, and what the sums of four products start at.
struct RowOperand {
  __m512i q[4];
  __m512i start[4];
};

/// Sums of four products of 64 unpacked bytes each, from `a` and `b`, packed to 16 bits: each 128
/// bits hold four of `a`, then four of `b`. Exact as long as no sum of four leaves 16 bits.
template <size_t a, size_t b>
FREEHOLD_INLINE __m512i packed_sums(const RowOperand& x, __m512i bytes_a, __m512i bytes_b) {
  return _mm512_packs_epi32(_mm512_dpbusd_epi32(x.start[a], bytes_a, x.q[a]),
                            _mm512_dpbusd_epi32(x.start[b], bytes_b, x.q[b]));
}

/// Lane r: the sum of the sixteen lanes of rows(r). Rows are asked for in order, so that few are
/// alive at a time.
template <size_t first, size_t count, class Rows>
FREEHOLD_INLINE __m512i sum_rows(const Rows& rows) {
  if constexpr (count == 1) {
    return rows(std::integral_constant<size_t, first>{});
  } else {
    const __m512i a = sum_rows<first, count / 2>(rows);
    const __m512i b = sum_rows<first + count / 2, count / 2>(rows);
    if constexpr (count == 2) {
      return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    } else if constexpr (count == 4) {
      return _mm512_add_epi32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    } else {
      return _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xDD));
    }
  }
}

/// The whole panel, one column.
template <class R>
FREEHOLD_INLINE void dot_rows(const PanelDot& task) {
  using L = LanesAvx512Vnni;
  using T = typename R::Tile;
  static_assert(T::kValues == kTileValues);
  constexpr int kOffset = TileShape<T, L>::kOffset;
  const Column column = column_of(task.x, 0);
  for (size_t row = 0; row < task.row_count; row += L::kRows) {
    RowGroup<T, L> group(task, row);
    __m512 chain = _mm512_setzero_ps();
    for (size_t b = 0; b < task.x.width / T::kValues; ++b) {
      group.prefetch_next(b);
      const uint8_t* const rows = group.block(b);
      const size_t stride = group.stride();
      RowOperand x;
      repeat<4>([&](auto i) __attribute__((always_inline)) {
        x.q[i] = _mm512_loadu_si512(column.q + b * T::kValues + 64 * i);
        x.start[i] = _mm512_setzero_si512();
        if constexpr (kOffset != 0) {
          x.start[i] = _mm512_sub_epi32(
              x.start[i], _mm512_dpbusd_epi32(x.start[i], _mm512_set1_epi8(kOffset), x.q[i]));
        }
      });
      ColumnTerms<T, L> terms;
      terms.fill(column.sums + b * (T::kValues / 16));
      typename R::Group head;
      head.decode(rows, stride, terms, column.sums + b * (T::kValues / 16));
      const __m512i sum = sum_rows<0, L::kRows>([&](auto r) __attribute__((always_inline)) {
        return R::template row<r>(rows + r * stride, x, head);
      });
      chain = chain_step<T, L>(terms, 0, sum, head.second, head.w, head.v, column.d[b], chain);
    }
    L::store_some(task.y + row, chain, group.count());
  }
}

}  // namespace freehold::quant
