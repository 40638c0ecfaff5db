#pragma once
// The fast integer dot of section 1 (docs/NUMERICS.md) for any quantised format and any vector back
// end.
//
// Shape: L::kRows rows at once, one lane a row. A block's raw bytes are transposed in units of four
// bytes, so that every unpacking step is the same lane arithmetic for all rows, and the f32 chains
// run in lanes: no sum ever crosses lanes. A format gives a tile (quant/NAME/NAME_tile.h) that says
// how to unpack; a back end gives lanes (lanes_avx2.h, lanes_avx512vnni.h, lanes_emulated.h). The
// bits are those of plain.h: integer sums are exact, and the f32 operations are the same ones.
//
// A tile has plain.h's Layout constants and
//   kByteMax       the largest unpacked byte (lanes with 16-bit sums need it), unused where kSigned
//   kSigned        bytes are signed on back ends that like that, else offset by 128
//   kPairTerm      what pairs of int16, times pairs of sums of 16 activations, add up to
//   kConstantPair  the value of both halves of every pair where it is no row's business, or 0
//   unpack<L>(rows, stride, sink)   calls sink.scales once, sink.sub for each sub-block, and
//   sink.pair
//                                   for i = 0 … kPairs - 1 unless the pair is constant
//
// A back end says kRows (lanes), kColumns (columns in registers at once), kChains (sums in flight
// that hide the dot's latency), kFuseTwo (whether two columns are multiplied while unpacking, as
// one always is; it measures 10 % better with 32 registers) and kSignedTiles (which bytes it
// likes).
//
// Everything here is templates inlined into one function per format and back end, so that code for
// one instruction set can never be linked into another's. Memory: only the stack, about 16 KB.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "quant/format.h"

#define FREEHOLD_INLINE [[gnu::always_inline]] inline

namespace freehold::quant {

/// Where the dot of pairs and sums goes: into S (undoing an unsigned offset), or into M, negated
/// for minimums.
enum class PairTerm { kIntoSum, kMinimums, kSums };

/// body(0) … body(N - 1) with constant arguments.
template <size_t N, class Body>
FREEHOLD_INLINE void repeat(Body&& body) {
  [&]<size_t... i>(std::index_sequence<i...>) __attribute__((always_inline)) {
    (body(std::integral_constant<size_t, i>{}), ...);
  }
  (std::make_index_sequence<N>{});
}

/// Sizes that follow from a tile and its lanes.
template <class T, class L>
struct TileShape {
  static constexpr size_t kSubBlocks = T::kValues / T::kSubValues;
  static constexpr size_t kSubDwords = T::kSubValues / 4;
  static constexpr size_t kPairs = T::kValues / 32;
  /// Blocks unpacked together: 256 values.
  static constexpr size_t kBlocks = 256 / T::kValues;
  static constexpr bool kHasPairs = !(T::kSigned && L::kSignedTiles);
  static constexpr bool kHasSecond = T::kPairTerm != PairTerm::kIntoSum;
};

/// Pointers to one column's activations.
struct Column {
  const int8_t* q;
  const int16_t* sums;
  const float* d;
};

FREEHOLD_INLINE Column column_of(const ActivationView& x, size_t index) {
  return {x.q + index * x.q_stride, x.sums + index * x.sums_stride, x.d + index * x.d_stride};
}

/// The chain's step in lanes: S (sum) and M (second) of one block onto `chain`.
template <class T, class L>
FREEHOLD_INLINE typename L::F chain_step(typename L::I sum, typename L::I second, typename L::F w,
                                         typename L::F v, float d, typename L::F chain) {
  typename L::F t = L::multiply(L::to_float(sum), w);
  if constexpr (T::kPairTerm == PairTerm::kMinimums) second = L::negate(second);
  if constexpr (TileShape<T, L>::kHasSecond) t = L::fma(L::to_float(second), v, t);
  return L::fma(t, L::splat(d), chain);
}

/// Multiplies while unpacking, for C columns: nothing is stored. The sums live in registers.
template <class T, class L, size_t C>
struct FusedSink {
  using I = typename L::I;
  using F = typename L::F;
  const int8_t* q[C];
  const int16_t* sums[C];
  I sum[C];
  I second[C];
  F w;
  F v;

  FREEHOLD_INLINE void begin() {
    repeat<C>([&](auto c) __attribute__((always_inline)) {
      sum[c] = L::zero();
      second[c] = L::zero();
    });
    if constexpr (T::kConstantPair != 0) {
      repeat<TileShape<T, L>::kPairs>([&](auto i) __attribute__((always_inline)) {
        add_pair(i, L::splat_pair(T::kConstantPair));
      });
    }
  }
  FREEHOLD_INLINE void scales(F new_w, F new_v) {
    w = new_w;
    v = new_v;
  }
  FREEHOLD_INLINE void pair(size_t i, I pairs) { add_pair(i, pairs); }
  FREEHOLD_INLINE void add_pair(size_t i, I pairs) {
    if constexpr (TileShape<T, L>::kHasPairs) {
      repeat<C>([&](auto c) __attribute__((always_inline)) {
        I& target = T::kPairTerm == PairTerm::kIntoSum ? sum[c] : second[c];
        target = L::dot_pairs(target, pairs, sums[c] + 2 * i);
      });
    }
  }
  FREEHOLD_INLINE void sub(size_t j, const I (&bytes)[T::kSubValues / 4], I scale) {
    constexpr size_t kChunk = L::template chunk<T>();
    repeat<C>([&](auto c) __attribute__((always_inline)) {
      const int8_t* values = q[c] + j * T::kSubValues;
      repeat<T::kSubValues / 4 / kChunk>([&](auto chunk) __attribute__((always_inline)) {
        I part = L::template open<T>(sum[c]);
        repeat<kChunk>([&](auto k) __attribute__((always_inline)) {
          constexpr size_t kDword = chunk * kChunk + k;
          part = L::template dot<T>(part, bytes[kDword], values + 4 * kDword);
        });
        sum[c] = L::template close<T>(sum[c], part, scale);
      });
    });
  }
};

/// Up to 256 values of each row, unpacked to stay in the first-level cache while columns pass by.
template <class T, class L>
struct Tile {
  using I = typename L::I;
  using F = typename L::F;
  using Shape = TileShape<T, L>;
  struct Block {
    I bytes[Shape::kSubBlocks][Shape::kSubDwords];
    I scale[Shape::kSubBlocks];
    I pair[Shape::kPairs];
    F w;
    F v;
  };
  Block block[Shape::kBlocks];
};

/// Stores what a tile unpacks.
template <class T, class L>
struct StoringSink {
  using I = typename L::I;
  using F = typename L::F;
  typename Tile<T, L>::Block* block;

  FREEHOLD_INLINE void scales(F w, F v) {
    block->w = w;
    block->v = v;
  }
  FREEHOLD_INLINE void pair(size_t i, I pairs) { block->pair[i] = pairs; }
  FREEHOLD_INLINE void sub(size_t j, const I (&bytes)[T::kSubValues / 4], I scale) {
    repeat<T::kSubValues / 4>([&](auto k) __attribute__((always_inline)) {
      block->bytes[j][k] = bytes[k];
    });
    block->scale[j] = scale;
  }
};

/// Adds J sub-blocks, from j on, of a stored block to the sums of C columns: J x C sums in flight
/// hide the latency of the dot instructions.
template <class T, class L, size_t C, size_t J>
FREEHOLD_INLINE void add_sub_blocks(const typename Tile<T, L>::Block& block, size_t j,
                                    const int8_t* const (&q)[C], typename L::I (&sum)[C]) {
  using I = typename L::I;
  constexpr size_t kChunk = L::template chunk<T>();
  repeat<T::kSubValues / 4 / kChunk>([&](auto chunk) __attribute__((always_inline)) {
    I part[J][C];
    repeat<J * C>([&](auto i) __attribute__((always_inline)) {
      part[i / C][i % C] = L::template open<T>(sum[i % C]);
    });
    repeat<kChunk>([&](auto k) __attribute__((always_inline)) {
      constexpr size_t kDword = chunk * kChunk + k;
      repeat<J>([&](auto next) __attribute__((always_inline)) {
        const I bytes = block.bytes[j + next][kDword];
        const size_t at = (j + next) * T::kSubValues + 4 * kDword;
        repeat<C>([&](auto c) __attribute__((always_inline)) {
          part[next][c] = L::template dot<T>(part[next][c], bytes, q[c] + at);
        });
      });
    });
    repeat<J>([&](auto next) __attribute__((always_inline)) {
      const I scale = block.scale[j + next];
      repeat<C>([&](auto c) __attribute__((always_inline)) {
        sum[c] = L::template close<T>(sum[c], part[next][c], scale);
      });
    });
  });
}

/// The pair term of a stored block for one column, onto `target`.
template <class T, class L>
FREEHOLD_INLINE typename L::I add_pairs(const typename Tile<T, L>::Block& block,
                                        const int16_t* sums, typename L::I target) {
  if constexpr (TileShape<T, L>::kHasPairs) {
    repeat<TileShape<T, L>::kPairs>([&](auto i) __attribute__((always_inline)) {
      if constexpr (T::kConstantPair != 0) {
        target = L::dot_pairs(target, L::splat_pair(T::kConstantPair), sums + 2 * i);
      } else {
        target = L::dot_pairs(target, block.pair[i], sums + 2 * i);
      }
    });
  }
  return target;
}

/// What C columns need of one or more blocks while they pass through registers.
template <class L, size_t C>
struct ColumnGroup {
  const int8_t* q[C];
  const int16_t* sums[C];
  const float* d[C];
  typename L::F chain[C];
};

/// B stored blocks, one after the other in the chains but together in the integer sums.
template <class T, class L, size_t C, size_t B>
FREEHOLD_INLINE void multiply_blocks(const typename Tile<T, L>::Block* block,
                                     ColumnGroup<L, C>& group) {
  using I = typename L::I;
  constexpr size_t kSubBlocks = TileShape<T, L>::kSubBlocks;
  constexpr size_t kWanted = L::kChains / C > 0 ? L::kChains / C : 1;
  constexpr size_t kTogether = kWanted < kSubBlocks ? kWanted : kSubBlocks;
  I sum[B][C];
  repeat<B * C>([&](auto i) __attribute__((always_inline)) {
    constexpr size_t b = i / C;
    constexpr size_t c = i % C;
    sum[b][c] = L::zero();
    if constexpr (T::kPairTerm == PairTerm::kIntoSum) {
      sum[b][c] = add_pairs<T, L>(block[b], group.sums[c] + b * (T::kValues / 16), sum[b][c]);
    }
  });
  if constexpr (kSubBlocks == 1) {
    // Unscaled: the dwords of all B blocks in turn.
    constexpr size_t kChunk = L::template chunk<T>();
    repeat<T::kValues / 4 / kChunk>([&](auto chunk) __attribute__((always_inline)) {
      I part[B][C];
      repeat<B * C>([&](auto i) __attribute__((always_inline)) {
        part[i / C][i % C] = L::template open<T>(sum[i / C][i % C]);
      });
      repeat<kChunk * B>([&](auto i) __attribute__((always_inline)) {
        constexpr size_t kDword = chunk * kChunk + i / B;
        const I bytes = block[i % B].bytes[0][kDword];
        repeat<C>([&](auto c) __attribute__((always_inline)) {
          part[i % B][c] = L::template dot<T>(part[i % B][c], bytes,
                                              group.q[c] + i % B * T::kValues + 4 * kDword);
        });
      });
      repeat<B * C>([&](auto i) __attribute__((always_inline)) {
        sum[i / C][i % C] =
            L::template close<T>(sum[i / C][i % C], part[i / C][i % C], L::no_scale());
      });
    });
  } else {
    static_assert(B == 1);
    for (size_t j = 0; j < kSubBlocks; j += kTogether) {
      add_sub_blocks<T, L, C, kTogether>(*block, j, group.q, sum[0]);
    }
  }
  repeat<B * C>([&](auto i) __attribute__((always_inline)) {
    constexpr size_t b = i / C;
    constexpr size_t c = i % C;
    I second = L::zero();
    if constexpr (TileShape<T, L>::kHasSecond) {
      second = add_pairs<T, L>(block[b], group.sums[c] + b * (T::kValues / 16), second);
    }
    group.chain[c] =
        chain_step<T, L>(sum[b][c], second, block[b].w, block[b].v, group.d[c][b], group.chain[c]);
  });
  repeat<C>([&](auto c) __attribute__((always_inline)) {
    group.q[c] += B * T::kValues;
    group.sums[c] += B * (T::kValues / 16);
    group.d[c] += B;
  });
}

/// C columns times `blocks` stored blocks, the first of them number `first`; chains[c] go on.
template <class T, class L, size_t C>
FREEHOLD_INLINE void multiply_columns(const Tile<T, L>& tile, size_t first, size_t blocks,
                                      const ActivationView& x, size_t column,
                                      float (*chains)[L::kRows]) {
  constexpr size_t kWanted = L::kChains / C > 0 ? L::kChains / C : 1;
  constexpr size_t kTogether =
      kWanted < TileShape<T, L>::kBlocks ? kWanted : TileShape<T, L>::kBlocks;
  ColumnGroup<L, C> group;
  repeat<C>([&](auto c) __attribute__((always_inline)) {
    const Column source = column_of(x, column + c);
    group.q[c] = source.q + first * T::kValues;
    group.sums[c] = source.sums + first * (T::kValues / 16);
    group.d[c] = source.d + first;
    group.chain[c] = L::load(chains[c]);
  });
  size_t b = 0;
  for (; b + kTogether <= blocks; b += kTogether) {
    multiply_blocks<T, L, C, kTogether>(tile.block + b, group);
  }
  if constexpr (kTogether > 1) {
    for (; b < blocks; ++b) multiply_blocks<T, L, C, 1>(tile.block + b, group);
  }
  repeat<C>([&](auto c) __attribute__((always_inline)) { L::store(chains[c], group.chain[c]); });
}

/// The rows of one group: read in place, or, at a panel's end, staged block by block with zero rows
/// after the last, so that nothing outside the panel is read.
template <class T, class L>
class RowGroup {
 public:
  FREEHOLD_INLINE RowGroup(const PanelDot& task, size_t first_row)
      : rows_(reinterpret_cast<const uint8_t*>(task.rows) + first_row * task.row_bytes),
        row_bytes_(task.row_bytes),
        count_(task.row_count - first_row < L::kRows ? task.row_count - first_row : L::kRows),
        staged_(count_ < L::kRows || row_bytes_ > kStrideMax),
        ahead_(!staged_ && task.row_count - first_row >= 2 * L::kRows) {
    if (staged_) std::memset(stage_, 0, sizeof(stage_));
  }
  FREEHOLD_INLINE size_t count() const { return count_; }
  FREEHOLD_INLINE size_t stride() const { return staged_ ? T::kBytes : row_bytes_; }
  /// Block b of the first row; the others follow at stride().
  FREEHOLD_INLINE const uint8_t* block(size_t b) {
    if (!staged_) return rows_ + b * T::kBytes;
    for (size_t row = 0; row < count_; ++row) {
      std::memcpy(stage_ + row * T::kBytes, rows_ + row * row_bytes_ + b * T::kBytes, T::kBytes);
    }
    return stage_;
  }
  /// Asks for the bytes of block b in the next group: the second-level cache is far enough.
  FREEHOLD_INLINE void prefetch_next(size_t b) const {
    if (!ahead_) return;
    const size_t end = (b + 1) * T::kBytes;
    for (size_t at = (b * T::kBytes + kLine - 1) / kLine * kLine; at < end; at += kLine) {
      const uint8_t* line = rows_ + L::kRows * row_bytes_ + at;
      for (size_t row = 0; row < L::kRows; ++row) {
        __builtin_prefetch(line + row * row_bytes_, 0, 2);
      }
    }
  }

 private:
  static constexpr size_t kLine = 64;
  /// Lanes index rows with 32-bit offsets.
  static constexpr size_t kStrideMax = size_t{1} << 26;
  const uint8_t* rows_;
  size_t row_bytes_;
  size_t count_;
  bool staged_;
  bool ahead_;
  uint8_t stage_[L::kRows * T::kBytes];
};

/// C columns of one group of rows, multiplied while unpacking.
template <class T, class L, size_t C>
void multiply_fused(const PanelDot& task, size_t first_row, size_t column) {
  RowGroup<T, L> group(task, first_row);
  typename L::F chain[C];
  FusedSink<T, L, C> sink;
  const float* d[C];
  repeat<C>([&](auto c) __attribute__((always_inline)) {
    const Column source = column_of(task.x, column + c);
    sink.q[c] = source.q;
    sink.sums[c] = source.sums;
    d[c] = source.d;
    chain[c] = L::splat(0.0f);
  });
  for (size_t b = 0; b < task.x.width / T::kValues; ++b) {
    group.prefetch_next(b);
    sink.begin();
    T::template unpack<L>(group.block(b), group.stride(), sink);
    repeat<C>([&](auto c) __attribute__((always_inline)) {
      chain[c] = chain_step<T, L>(sink.sum[c], sink.second[c], sink.w, sink.v, d[c][b], chain[c]);
      sink.q[c] += T::kValues;
      sink.sums[c] += T::kValues / 16;
    });
  }
  repeat<C>([&](auto c) __attribute__((always_inline)) {
    L::store_some(task.y + (column + c) * task.y_stride + first_row, chain[c], group.count());
  });
}

/// Columns whose chains are kept at once; bounds the stack.
inline constexpr size_t kColumnsAtOnce = 64;

/// `columns` columns (at most kColumnsAtOnce) from `column` on, of one group of rows.
template <class T, class L>
void multiply_stored(const PanelDot& task, size_t first_row, size_t column, size_t columns) {
  constexpr size_t kBlocks = TileShape<T, L>::kBlocks;
  constexpr size_t kGroup = L::kColumns;
  RowGroup<T, L> group(task, first_row);
  Tile<T, L> tile;
  alignas(64) float chains[kColumnsAtOnce][L::kRows];
  std::memset(chains, 0, columns * sizeof(chains[0]));
  const size_t block_count = task.x.width / T::kValues;
  for (size_t first = 0; first < block_count; first += kBlocks) {
    const size_t blocks = block_count - first < kBlocks ? block_count - first : kBlocks;
    for (size_t b = 0; b < blocks; ++b) {
      group.prefetch_next(first + b);
      StoringSink<T, L> sink{&tile.block[b]};
      T::template unpack<L>(group.block(first + b), group.stride(), sink);
    }
    size_t c = 0;
    for (; c + kGroup <= columns; c += kGroup) {
      multiply_columns<T, L, kGroup>(tile, first, blocks, task.x, column + c, chains + c);
    }
    for (; c + 2 <= columns; c += 2) {
      multiply_columns<T, L, 2>(tile, first, blocks, task.x, column + c, chains + c);
    }
    if (c < columns) multiply_columns<T, L, 1>(tile, first, blocks, task.x, column + c, chains + c);
  }
  for (size_t c = 0; c < columns; ++c) {
    float* y = task.y + (column + c) * task.y_stride + first_row;
    std::memcpy(y, chains[c], group.count() * sizeof(float));
  }
}

/// The whole panel.
template <class T, class L>
FREEHOLD_INLINE void dot_tiles(const PanelDot& task) {
  for (size_t row = 0; row < task.row_count; row += L::kRows) {
    if (task.x.columns == 1) {
      multiply_fused<T, L, 1>(task, row, 0);
      continue;
    }
    if constexpr (L::kFuseTwo) {
      if (task.x.columns == 2) {
        multiply_fused<T, L, 2>(task, row, 0);
        continue;
      }
    }
    for (size_t column = 0; column < task.x.columns; column += kColumnsAtOnce) {
      const size_t left = task.x.columns - column;
      multiply_stored<T, L>(task, row, column, left < kColumnsAtOnce ? left : kColumnsAtOnce);
    }
  }
}

}  // namespace freehold::quant
