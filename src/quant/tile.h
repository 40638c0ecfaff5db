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
//   kOffset        what unpacked bytes are too large by, 0 where kSigned
//   unpack<L>(rows, stride, sink)   calls sink.scales once, sink.sub for each sub-block, and, where
//                                   the format is scaled and has minimums or an offset,
//                                   sink.pair for i = 0 … kPairs - 1
//
// Pairs are two int16 that meet two sums of activations: of 32 values each for minimums of
// sub-blocks of 32, else of 16. An offset is undone where sums start (TileShape::kStarts), for all
// rows alike; only lanes that cannot start a sub-block's sum anywhere use pairs for it.
//
// A back end says kRows (lanes), kColumns (columns in registers at once), kChains (sums in flight
// that hide the dot's latency), kFused (up to how many columns are multiplied while unpacking; with
// 32 registers four measure a third better that way), kSignedTiles (which bytes it likes) and
// kOpensAt (whether a scaled sub-block's sum can start at an int32).
//
// Everything here is templates inlined into one function per format and back end, so that code for
// one instruction set can never be linked into another's. Memory: only the stack, about 16 KB.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "quant/format.h"
#include "quant/plain.h"

#define FREEHOLD_INLINE [[gnu::always_inline]] inline

namespace freehold::quant {

/// body(0) … body(N - 1) with constant arguments.
template <size_t N, class Body>
FREEHOLD_INLINE void repeat(Body&& body) {
  [&]<size_t... i>(std::index_sequence<i...>) __attribute__((always_inline)) {
    (body(std::integral_constant<size_t, i>{}), ...);
  }
  (std::make_index_sequence<N>{});
}

/// Values whose sums of activations are worked out together: 16 sums of 16.
inline constexpr size_t kTileValues = 256;

/// What follows from a tile and its lanes.
template <class T, class L>
struct TileShape {
  static constexpr size_t kSubBlocks = T::kValues / T::kSubValues;
  static constexpr size_t kSubDwords = T::kSubValues / 4;
  /// Blocks unpacked together.
  static constexpr size_t kBlocks = kTileValues / T::kValues;
  static constexpr int kOffset = T::kSigned ? (L::kSignedTiles ? 0 : 128) : T::kOffset;
  static constexpr bool kStarts = kOffset != 0 && (L::kOpensAt || !T::kScaled);
  static constexpr bool kMinimums = T::kSecondTerm == SecondTerm::kMinimums;
  static constexpr bool kSums = T::kSecondTerm == SecondTerm::kSums;
  static constexpr bool kHasPairs = kMinimums || (kOffset != 0 && !kStarts);
  static constexpr bool kWidePairs = kMinimums && T::kSubValues == 32;
  static constexpr size_t kPairs = T::kValues / (kWidePairs ? 64 : 32);
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

/// What 256 of a column's activations give to any row alike.
template <class T, class L>
struct ColumnTerms {
  using Shape = TileShape<T, L>;
  alignas(64) int32_t start[kTileValues / T::kSubValues];  // -kOffset times each sub-block's sum
  alignas(32) float second[kTileValues / 32];              // M of kSums
  alignas(16) int16_t wide[kTileValues / 32];              // sums of 32

  /// `sums`: 16 sums of 16 activations (padding is zero).
  FREEHOLD_INLINE void fill(const int16_t* sums) {
    if constexpr (Shape::kStarts && T::kSubValues == 16) L::sums16(sums, -Shape::kOffset, start);
    if constexpr (Shape::kStarts && T::kSubValues == 32) L::sums32(sums, -Shape::kOffset, start);
    if constexpr (Shape::kSums) L::sums32_float(sums, second);
    if constexpr (Shape::kWidePairs) L::sums32_narrow(sums, wide);
  }
  /// The sums that pair i of block b meets.
  FREEHOLD_INLINE const int16_t* of_pair(const int16_t* sums, size_t b, size_t i) const {
    if constexpr (Shape::kWidePairs) return wide + b * (T::kValues / 32) + 2 * i;
    return sums + b * (T::kValues / 16) + 2 * i;
  }
};

/// Where the sum of sub-block j of block b starts, and where the block's.
template <class T, class L>
FREEHOLD_INLINE typename L::I start_of_sum(const ColumnTerms<T, L>& terms, size_t b) {
  if constexpr (TileShape<T, L>::kStarts && !T::kScaled) return L::splat_at(terms.start + b);
  return L::zero();
}
template <class T, class L>
FREEHOLD_INLINE typename L::I start_of_part(const ColumnTerms<T, L>& terms, size_t b, size_t j,
                                            typename L::I sum) {
  if constexpr (TileShape<T, L>::kStarts && T::kScaled) {
    return L::splat_at(terms.start + b * TileShape<T, L>::kSubBlocks + j);
  }
  return L::template open<T>(sum);
}

/// The chain's step in lanes: S (sum) and, for minimums, M (second) of block b onto `chain`.
template <class T, class L>
FREEHOLD_INLINE typename L::F chain_step(const ColumnTerms<T, L>& terms, size_t b,
                                         typename L::I sum, typename L::I second, typename L::F w,
                                         typename L::F v, float d, typename L::F chain) {
  typename L::F t = L::multiply(L::to_float(sum), w);
  if constexpr (TileShape<T, L>::kMinimums) t = L::fma(L::to_float(L::negate(second)), v, t);
  if constexpr (TileShape<T, L>::kSums) t = L::fma(L::splat(terms.second[b]), v, t);
  return L::fma(t, L::splat(d), chain);
}

/// Multiplies block b of a tile's 256 values while unpacking, for C columns: nothing is stored. The
/// sums live in registers.
template <class T, class L, size_t C>
struct FusedSink {
  using I = typename L::I;
  using F = typename L::F;
  const int8_t* q[C];
  const int16_t* sums[C];
  ColumnTerms<T, L> terms[C];
  I sum[C];
  I second[C];
  F w;
  F v;
  size_t b;

  FREEHOLD_INLINE void begin(size_t block) {
    b = block;
    repeat<C>([&](auto c) __attribute__((always_inline)) {
      sum[c] = start_of_sum<T, L>(terms[c], b);
      second[c] = L::zero();
    });
  }
  FREEHOLD_INLINE void scales(F new_w, F new_v) {
    w = new_w;
    v = new_v;
  }
  FREEHOLD_INLINE void pair(size_t i, I pairs) {
    if constexpr (TileShape<T, L>::kHasPairs) {
      repeat<C>([&](auto c) __attribute__((always_inline)) {
        I& target = TileShape<T, L>::kMinimums ? second[c] : sum[c];
        target = L::dot_pairs(target, pairs, terms[c].of_pair(sums[c], b, i));
      });
    }
  }
  FREEHOLD_INLINE void sub(size_t j, const I (&bytes)[T::kSubValues / 4], I scale) {
    constexpr size_t kChunk = L::template chunk<T>();
    repeat<C>([&](auto c) __attribute__((always_inline)) {
      const int8_t* values = q[c] + b * T::kValues + j * T::kSubValues;
      repeat<T::kSubValues / 4 / kChunk>([&](auto chunk) __attribute__((always_inline)) {
        I part =
            chunk == 0 ? start_of_part<T, L>(terms[c], b, j, sum[c]) : L::template open<T>(sum[c]);
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
    I pair[Shape::kHasPairs ? Shape::kPairs : 1];
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
  FREEHOLD_INLINE void pair(size_t i, I pairs) {
    if constexpr (TileShape<T, L>::kHasPairs) block->pair[i] = pairs;
  }
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
                                    const ColumnTerms<T, L> (&terms)[C],
                                    const int8_t* const (&q)[C], typename L::I (&sum)[C]) {
  using I = typename L::I;
  constexpr size_t kChunk = L::template chunk<T>();
  repeat<T::kSubValues / 4 / kChunk>([&](auto chunk) __attribute__((always_inline)) {
    I part[J][C];
    repeat<J * C>([&](auto i) __attribute__((always_inline)) {
      part[i / C][i % C] = chunk == 0 ? start_of_part<T, L>(terms[i % C], 0, j + i / C, sum[i % C])
                                      : L::template open<T>(sum[i % C]);
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

/// The pair term of stored block b for one column, onto `target`.
template <class T, class L>
FREEHOLD_INLINE typename L::I add_pairs(const typename Tile<T, L>::Block& block,
                                        const ColumnTerms<T, L>& terms, const int16_t* sums,
                                        size_t b, typename L::I target) {
  repeat<TileShape<T, L>::kPairs>([&](auto i) __attribute__((always_inline)) {
    target = L::dot_pairs(target, block.pair[i], terms.of_pair(sums, b, i));
  });
  return target;
}

/// What C columns need of one or more blocks while they pass through registers.
template <class T, class L, size_t C>
struct ColumnGroup {
  const int8_t* q[C];
  const int16_t* sums[C];
  ColumnTerms<T, L> terms[C];
  const float* d[C];
  typename L::F chain[C];
};

/// B stored blocks from block `at` of the tile on, one after the other in the chains but together
/// in the integer sums.
template <class T, class L, size_t C, size_t B>
FREEHOLD_INLINE void multiply_blocks(const Tile<T, L>& tile, size_t at,
                                     ColumnGroup<T, L, C>& group) {
  using I = typename L::I;
  using Shape = TileShape<T, L>;
  constexpr size_t kSubBlocks = Shape::kSubBlocks;
  constexpr size_t kWanted = L::kChains / C > 0 ? L::kChains / C : 1;
  constexpr size_t kTogether = kWanted < kSubBlocks ? kWanted : kSubBlocks;
  const typename Tile<T, L>::Block* const block = tile.block + at;
  I sum[B][C];
  repeat<B * C>([&](auto i) __attribute__((always_inline)) {
    constexpr size_t b = i / C;
    constexpr size_t c = i % C;
    sum[b][c] = start_of_sum<T, L>(group.terms[c], at + b);
    if constexpr (Shape::kHasPairs && !Shape::kMinimums) {
      sum[b][c] = add_pairs<T, L>(block[b], group.terms[c], group.sums[c], at + b, sum[b][c]);
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
          part[i % B][c] =
              L::template dot<T>(part[i % B][c], bytes,
                                 group.q[c] + at * T::kValues + i % B * T::kValues + 4 * kDword);
        });
      });
      repeat<B * C>([&](auto i) __attribute__((always_inline)) {
        sum[i / C][i % C] =
            L::template close<T>(sum[i / C][i % C], part[i / C][i % C], L::no_scale());
      });
    });
  } else {
    static_assert(B == 1 && Shape::kBlocks == 1);
    for (size_t j = 0; j < kSubBlocks; j += kTogether) {
      add_sub_blocks<T, L, C, kTogether>(*block, j, group.terms, group.q, sum[0]);
    }
  }
  repeat<B * C>([&](auto i) __attribute__((always_inline)) {
    constexpr size_t b = i / C;
    constexpr size_t c = i % C;
    I second = L::zero();
    if constexpr (Shape::kMinimums) {
      second = add_pairs<T, L>(block[b], group.terms[c], group.sums[c], at + b, second);
    }
    group.chain[c] = chain_step<T, L>(group.terms[c], at + b, sum[b][c], second, block[b].w,
                                      block[b].v, group.d[c][at + b], group.chain[c]);
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
  ColumnGroup<T, L, C> group;
  repeat<C>([&](auto c) __attribute__((always_inline)) {
    const Column source = column_of(x, column + c);
    group.q[c] = source.q + first * T::kValues;
    group.sums[c] = source.sums + first * (T::kValues / 16);
    group.d[c] = source.d + first;
    group.terms[c].fill(group.sums[c]);
    group.chain[c] = L::load(chains[c]);
  });
  size_t b = 0;
  for (; b + kTogether <= blocks; b += kTogether) {
    multiply_blocks<T, L, C, kTogether>(tile, b, group);
  }
  if constexpr (kTogether > 1) {
    for (; b < blocks; ++b) multiply_blocks<T, L, C, 1>(tile, b, group);
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
        ahead_(!staged_ && task.row_count - first_row >= 2 * L::kRows),
        next_(task.row_count - first_row <= L::kRows ? task.next : std::span<const std::byte>{}) {
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
  /// Asks for the bytes of block b in the next group, or, in a panel's last, for as much of what
  /// the thread reads next: the second-level cache is far enough.
  FREEHOLD_INLINE void prefetch_next(size_t b) const {
    if (!ahead_) {
      constexpr size_t kPiece = L::kRows * T::kBytes;
      const size_t last = (b + 1) * kPiece < next_.size() ? (b + 1) * kPiece : next_.size();
      for (size_t at = b * kPiece / kLine * kLine; at < last; at += kLine) {
        __builtin_prefetch(next_.data() + at, 0, 2);
      }
      return;
    }
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
  std::span<const std::byte> next_;
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
  constexpr size_t kBlocks = TileShape<T, L>::kBlocks;
  const size_t block_count = task.x.width / T::kValues;
  for (size_t first = 0; first < block_count; first += kBlocks) {
    const size_t blocks = block_count - first < kBlocks ? block_count - first : kBlocks;
    repeat<C>([&](auto c) __attribute__((always_inline)) { sink.terms[c].fill(sink.sums[c]); });
    for (size_t b = 0; b < blocks; ++b) {
      group.prefetch_next(first + b);
      sink.begin(b);
      T::template unpack<L>(group.block(first + b), group.stride(), sink);
      repeat<C>([&](auto c) __attribute__((always_inline)) {
        chain[c] = chain_step<T, L>(sink.terms[c], b, sink.sum[c], sink.second[c], sink.w, sink.v,
                                    d[c][first + b], chain[c]);
      });
    }
    repeat<C>([&](auto c) __attribute__((always_inline)) {
      sink.q[c] += kTileValues;
      sink.sums[c] += kTileValues / 16;
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

/// One group of rows by all columns while unpacking; false where there are more than kFused.
template <class T, class L>
FREEHOLD_INLINE bool fused_columns(const PanelDot& task, size_t row) {
  bool done = false;
  repeat<L::kFused>([&](auto before) __attribute__((always_inline)) {
    if (task.x.columns != before + 1) return;
    multiply_fused<T, L, before + 1>(task, row, 0);
    done = true;
  });
  return done;
}

/// The whole panel.
template <class T, class L>
FREEHOLD_INLINE void dot_tiles(const PanelDot& task) {
  for (size_t row = 0; row < task.row_count; row += L::kRows) {
    if (fused_columns<T, L>(task, row)) continue;
    for (size_t column = 0; column < task.x.columns; column += kColumnsAtOnce) {
      const size_t left = task.x.columns - column;
      multiply_stored<T, L>(task, row, column, left < kColumnsAtOnce ? left : kColumnsAtOnce);
    }
  }
}

}  // namespace freehold::quant
