#pragma once
// The fast dot of section 2 (docs/NUMERICS.md) for float weights and any vector back end. Vectors
// run along k: the thirty-two accumulators of an element are L::kParts registers, and several rows
// and columns are in flight at once to hide the latency of fma. Where the width is no multiple of
// 32, the last step is masked, so that accumulators beyond the tail keep their bits (an fma with
// zeros would turn -0 into +0). Templates only, inlined into one function per format and back end.
//
// W says how a weight is stored; L::widen(W{}, bytes) reads L::kLanes of them, L::widen_some fewer.

#include <cstddef>
#include <cstdint>

#include "quant/format.h"
#include "quant/tile.h"

namespace freehold::quant {

/// Storage kinds. L widens; these only name which widening.
struct F32Weights {
  static constexpr size_t kBytes = 4;
};
struct F16Weights {
  static constexpr size_t kBytes = 2;
};
struct Bf16Weights {
  static constexpr size_t kBytes = 2;
};

/// How far ahead of the loads to ask for memory, in bytes of each row: about the latency of DRAM
/// times what one thread reads, and what measured best (docs/NUMERICS.md has no say here).
inline constexpr size_t kFloatPrefetchBytes = 1024;

/// R rows by C columns of y, from `row` and `column` on.
template <class W, class L, size_t R, size_t C>
FREEHOLD_INLINE void dot_float_block(const PanelDot& task, size_t row, size_t column) {
  using F = typename L::F;
  constexpr size_t kParts = 32 / L::kLanes;
  const auto* weights = reinterpret_cast<const uint8_t*>(task.rows) + row * task.row_bytes;
  const float* x = task.x.x + column * task.x.x_stride;
  F sum[R][C][kParts];
  repeat<R * C * kParts>([&](auto i) __attribute__((always_inline)) {
    sum[i / (C * kParts)][i / kParts % C][i % kParts] = L::zero();
  });
  size_t k = 0;
  for (; k + 32 <= task.x.width; k += 32) {
    repeat<kParts>([&](auto part) __attribute__((always_inline)) {
      const size_t at = k + part * L::kLanes;
      F values[C];
      repeat<C>([&](auto c) __attribute__((always_inline)) {
        values[c] = L::load(x + c * task.x.x_stride + at);
      });
      repeat<R>([&](auto r) __attribute__((always_inline)) {
        const uint8_t* from = weights + r * task.row_bytes + at * W::kBytes;
        if constexpr (part * L::kLanes * W::kBytes % 64 == 0) {
          __builtin_prefetch(from + kFloatPrefetchBytes, 0, 3);
        }
        const F weight = L::widen(W{}, from);
        repeat<C>([&](auto c) __attribute__((always_inline)) {
          sum[r][c][part] = L::fma(weight, values[c], sum[r][c][part]);
        });
      });
    });
  }
  for (size_t part = 0; k < task.x.width; ++part, k += L::kLanes) {
    const size_t left = task.x.width - k;
    const size_t count = left < L::kLanes ? left : L::kLanes;
    for (size_t r = 0; r < R; ++r) {
      const uint8_t* from = weights + r * task.row_bytes + k * W::kBytes;
      const F weight = L::widen_some(W{}, from, count);
      for (size_t c = 0; c < C; ++c) {
        const F values = L::load_some(x + c * task.x.x_stride + k, count);
        sum[r][c][part] = L::fma_some(weight, values, sum[r][c][part], count);
      }
    }
  }
  for (size_t r = 0; r < R; ++r) {
    for (size_t c = 0; c < C; ++c) {
      task.y[(column + c) * task.y_stride + row + r] = L::sum_tree(sum[r][c]);
    }
  }
}

/// All columns of R rows, C columns at a time.
template <class W, class L, size_t R, size_t C>
FREEHOLD_INLINE void dot_float_columns(const PanelDot& task, size_t row) {
  size_t column = 0;
  for (; column + C <= task.x.columns; column += C) dot_float_block<W, L, R, C>(task, row, column);
  for (; column < task.x.columns; ++column) dot_float_block<W, L, R, 1>(task, row, column);
}

/// The whole panel.
template <class W, class L>
FREEHOLD_INLINE void dot_float(const PanelDot& task) {
  constexpr size_t kRows = L::kRowsAtOnce;
  size_t row = 0;
  for (; row + kRows <= task.row_count; row += kRows) {
    dot_float_columns<W, L, kRows, L::kColumnsAtOnce>(task, row);
  }
  for (; row < task.row_count; ++row) dot_float_columns<W, L, 1, 1>(task, row);
}

}  // namespace freehold::quant
