#pragma once
// The integer dot of section 1 (docs/NUMERICS.md) for many columns on matrix tiles (AMX int8, or
// tiles_emulated.h, which gives any machine the same shape to test).
//
// Sixteen rows are unpacked as in tile.h. A vector of dwords, one lane a row, is just what a tile
// instruction wants of its second operand: four values of k for each of sixteen rows. The first
// operand is sixteen columns of activations as they lie. So nothing is packed but the unpacked
// weights, which stay in the first-level cache while the columns pass by.
//
// Scaled formats: a sub-block's scale is multiplied into the bytes, w = scale x (byte - offset) of
// at most 13 bits, and w is split into two planes, w = 128 high + low with low in 0 … 127. Both
// planes' products add up in int32 over a whole block: S = 128 T_high + T_low, exactly. Other
// formats: the bytes as they are, one product tile per block of 32, the offset undone where the sum
// starts.
//
// The integer sums are exact in any order and the f32 chain is tile.h's chain_step: the bits are
// those of plain.h. Columns go in groups of equal size; the last may overlap the one before it and
// then computes the same values once more. Memory: the stack, about 70 KB.
//
// Lanes L must have kSignedTiles = false and kOpensAt. Tiles TT have configure(rows, bytes),
// release(), and with tile numbers as template arguments zero, load, store, multiply.

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "quant/format.h"
#include "quant/tile.h"

namespace freehold::quant {

/// Columns of one tile, and those whose chains are kept at once.
inline constexpr size_t kWideGroup = 16;
/// Fewer columns than this are quicker on tile.h's lanes: what a tile instruction saves must first
/// pay for unpacking into planes (docs/kernels.md).
inline constexpr size_t kWideFewest = 12;
inline constexpr size_t kWideColumns = 512;

template <class T, class L>
struct WideShape {
  static constexpr size_t kPlanes = T::kScaled ? 2 : 1;
  static constexpr size_t kStepValues = T::kValues < 64 ? T::kValues : 64;  // k of one instruction
  static constexpr size_t kSteps = T::kValues / kStepValues;
  static constexpr size_t kBlocks = TileShape<T, L>::kBlocks;
};

/// 256 values of sixteen rows as planes.
template <class T, class L>
struct WideTile {
  using I = typename L::I;
  using F = typename L::F;
  using Shape = WideShape<T, L>;
  I plane[Shape::kPlanes][kTileValues / 4];
  I pair[Shape::kBlocks][TileShape<T, L>::kPairs];
  F w[Shape::kBlocks];
  F v[Shape::kBlocks];
};

/// Takes what a tile's unpack() gives of block `b`.
template <class T, class L>
struct WideSink {
  using I = typename L::I;
  using F = typename L::F;
  WideTile<T, L>* tile;
  size_t b;

  FREEHOLD_INLINE void scales(F w, F v) {
    tile->w[b] = w;
    tile->v[b] = v;
  }
  FREEHOLD_INLINE void pair(size_t i, I pairs) {
    if constexpr (TileShape<T, L>::kMinimums) tile->pair[b][i] = pairs;
  }
  FREEHOLD_INLINE void sub(size_t j, const I (&bytes)[T::kSubValues / 4], I scale) {
    constexpr size_t kDwords = T::kSubValues / 4;
    const size_t at = b * (T::kValues / 4) + j * kDwords;
    if constexpr (T::kScaled) {
      const I both = L::both_halves(scale);
      repeat<kDwords>([&](auto k) __attribute__((always_inline)) {
        L::template planes<TileShape<T, L>::kOffset>(bytes[k], both, tile->plane[0][at + k],
                                                     tile->plane[1][at + k]);
      });
    } else {
      repeat<kDwords>([&](auto k)
                          __attribute__((always_inline)) { tile->plane[0][at + k] = bytes[k]; });
    }
  }
};

/// Products of one block with one or two groups of columns: [group][plane][column][row].
template <class T, class L>
struct WideProducts {
  alignas(64) int32_t sum[2][WideShape<T, L>::kPlanes][kWideGroup][L::kRows];
};

/// Where two groups of columns begin, and what their activations give to any row.
template <class T, class L>
struct WideColumns {
  size_t groups;  // 1 or 2
  size_t first[2];
  size_t chain[2];  // place of the first column's chain
  ColumnTerms<T, L> terms[2][kWideGroup];
};

/// One row group of a panel under way.
template <class T, class L, class TT>
class WideRows {
 public:
  using Shape = WideShape<T, L>;
  using Products = WideProducts<T, L>;
  using Columns = WideColumns<T, L>;

  WideRows(const PanelDot& task, size_t row, size_t column, size_t columns, TT& tiles)
      : task_(task),
        rows_(task, row),
        row_(row),
        column_(column),
        columns_(columns),
        groups_((columns + kWideGroup - 1) / kWideGroup),
        size_((columns + groups_ - 1) / groups_),
        tiles_(tiles) {
    std::memset(chain_, 0, groups_ * kWideGroup * sizeof(chain_[0]));
  }

  FREEHOLD_INLINE void run() {
    const size_t block_count = task_.x.width / T::kValues;
    for (size_t first = 0; first < block_count; first += Shape::kBlocks) {
      const size_t left = block_count - first;
      multiply_tile(first, left < Shape::kBlocks ? left : Shape::kBlocks);
    }
    for (size_t g = 0; g < groups_; ++g) {
      const size_t at = column_ + first_of(g);
      for (size_t c = 0; c < size_; ++c) {
        float* y = task_.y + (at + c) * task_.y_stride + row_;
        std::memcpy(y, chain_[g * kWideGroup + c], rows_.count() * sizeof(float));
      }
    }
  }

 private:
  FREEHOLD_INLINE size_t first_of(size_t group) const {
    return (group + 1) * size_ <= columns_ ? group * size_ : columns_ - size_;
  }

  /// `blocks` blocks from `first` on, for all columns. The tile instructions of one block run while
  /// the chains of the block before go on.
  FREEHOLD_INLINE void multiply_tile(size_t first, size_t blocks) {
    for (size_t b = 0; b < blocks; ++b) {
      rows_.prefetch_next(first + b);
      WideSink<T, L> sink{&tile_, b};
      T::template unpack<L>(rows_.block(first + b), rows_.stride(), sink);
    }
    size_t turn = 0;
    const Columns* before = nullptr;
    size_t block_before = 0;
    for (size_t g = 0; g < groups_; g += 2) {
      Columns& columns = pair_[g / 2 % 2];
      begin_columns(g, first, columns);
      for (size_t b = 0; b < blocks; ++b, ++turn) {
        const int8_t* q =
            task_.x.q + (column_ + columns.first[0]) * task_.x.q_stride + (first + b) * T::kValues;
        if (columns.groups == 2) {
          products<2>(q, columns, b, products_[turn % 2]);
        } else {
          products<1>(q, columns, b, products_[turn % 2]);
        }
        if (before != nullptr) go_on(*before, first, block_before, products_[(turn + 1) % 2]);
        before = &columns;
        block_before = b;
      }
    }
    go_on(*before, first, block_before, products_[(turn + 1) % 2]);
  }

  FREEHOLD_INLINE void begin_columns(size_t group, size_t first, Columns& columns) {
    columns.groups = groups_ - group < 2 ? 1 : 2;
    for (size_t g = 0; g < columns.groups; ++g) {
      columns.first[g] = first_of(group + g);
      columns.chain[g] = (group + g) * kWideGroup;
      const int16_t* sums = task_.x.sums + (column_ + columns.first[g]) * task_.x.sums_stride +
                            first * (T::kValues / 16);
      for (size_t c = 0; c < size_; ++c) columns.terms[g][c].fill(sums + c * task_.x.sums_stride);
    }
  }

  /// Tiles 0-3: sums of group g, plane p at 2 g + p. 4-5: activations. 6-7: planes.
  template <size_t G>
  FREEHOLD_INLINE void products(const int8_t* q, const Columns& columns, size_t b, Products& out) {
    repeat<G * Shape::kPlanes>([&](auto i) __attribute__((always_inline)) {
      tiles_.template zero<i / Shape::kPlanes * 2 + i % Shape::kPlanes>();
    });
    const size_t second = (columns.first[G - 1] - columns.first[0]) * task_.x.q_stride;
    repeat<Shape::kSteps>([&](auto step) __attribute__((always_inline)) {
      constexpr size_t kAt = step * Shape::kStepValues;
      repeat<Shape::kPlanes>([&](auto p) __attribute__((always_inline)) {
        tiles_.template load<6 + p>(&tile_.plane[p][b * (T::kValues / 4) + kAt / 4],
                                    sizeof(typename L::I));
      });
      repeat<G>([&](auto g) __attribute__((always_inline)) {
        tiles_.template load<4 + g>(q + kAt + (g == 0 ? 0 : second), task_.x.q_stride);
        repeat<Shape::kPlanes>([&](auto p) __attribute__((always_inline)) {
          tiles_.template multiply<2 * g + p, 4 + g, 6 + p, T::kScaled>();
        });
      });
    });
    repeat<G * Shape::kPlanes>([&](auto i) __attribute__((always_inline)) {
      constexpr size_t g = i / Shape::kPlanes;
      constexpr size_t p = i % Shape::kPlanes;
      tiles_.template store<2 * g + p>(out.sum[g][p], sizeof(out.sum[g][p][0]));
    });
  }

  FREEHOLD_INLINE void go_on(const Columns& columns, size_t first, size_t b,
                             const Products& products) {
    using I = typename L::I;
    for (size_t g = 0; g < columns.groups; ++g) {
      const size_t at = column_ + columns.first[g];
      for (size_t c = 0; c < size_; ++c) {
        const ColumnTerms<T, L>& terms = columns.terms[g][c];
        I sum = L::load_dwords(products.sum[g][0][c]);
        if constexpr (T::kScaled) {
          sum = L::add(sum, L::template shift_right<-7>(L::load_dwords(products.sum[g][1][c])));
        } else {
          sum = L::add(sum, start_of_sum<T, L>(terms, b));
        }
        I second = L::zero();
        if constexpr (TileShape<T, L>::kMinimums) {
          const int16_t* sums =
              task_.x.sums + (at + c) * task_.x.sums_stride + first * (T::kValues / 16);
          repeat<TileShape<T, L>::kPairs>([&](auto i) __attribute__((always_inline)) {
            second = L::dot_pairs(second, tile_.pair[b][i], terms.of_pair(sums, b, i));
          });
        }
        float* chain = chain_[columns.chain[g] + c];
        const float d = task_.x.d[(at + c) * task_.x.d_stride + first + b];
        L::store(chain, chain_step<T, L>(terms, b, sum, second, tile_.w[b], tile_.v[b], d,
                                         L::load(chain)));
      }
    }
  }

  const PanelDot& task_;
  RowGroup<T, L> rows_;
  size_t row_;
  size_t column_;
  size_t columns_;
  size_t groups_;
  size_t size_;
  TT& tiles_;
  WideTile<T, L> tile_;
  Products products_[2];
  Columns pair_[2];
  alignas(64) float chain_[kWideColumns + kWideGroup][L::kRows];
};

/// The whole panel.
template <class T, class L, class TT>
FREEHOLD_INLINE void dot_wide(const PanelDot& task) {
  const size_t passes = (task.x.columns + kWideColumns - 1) / kWideColumns;
  const size_t most = (task.x.columns + passes - 1) / passes;
  for (size_t column = 0; column < task.x.columns; column += most) {
    const size_t columns = task.x.columns - column < most ? task.x.columns - column : most;
    const size_t groups = (columns + kWideGroup - 1) / kWideGroup;
    TT tiles;
    tiles.configure((columns + groups - 1) / groups, WideShape<T, L>::kStepValues);
    for (size_t row = 0; row < task.row_count; row += L::kRows) {
      WideRows<T, L, TT>(task, row, column, columns, tiles).run();
    }
    tiles.release();
  }
}

}  // namespace freehold::quant
