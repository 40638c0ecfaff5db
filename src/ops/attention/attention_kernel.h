#pragma once
// The vector form of attention, over a trait V that an instruction set supplies. Score chains run
// over the head dimension with lanes over keys; value chains run over positions with lanes over the
// head dimension; so nothing is summed across lanes and every bit is the reference's.
//
// Included by attention_avx2.cc and attention_avx512.cc only; everything is local to the file that
// includes it, so that no code compiled for one rung is linked into another.

#include <cstddef>
#include <cstdint>

#include "ops/attention/attention.h"
#include "ops/attention/attention_state.h"
#include "ops/attention/kv_position.h"
#include "ops/math/functions.h"
#include "ops/math/lanes.h"

namespace freehold::ops {
namespace {

/// kv_layout.h's sizes as the 32-bit positions that they bound.
constexpr uint32_t kGroup = kKeyGroup;
constexpr uint32_t kChunk = kChunkPositions;

constexpr uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }
constexpr uint32_t greater(uint32_t a, uint32_t b) { return a > b ? a : b; }

/// Some rows and what each sees of the chunk at hand: positions [begin, end), never empty.
struct RowBlock {
  size_t count;
  size_t index[kAttentionBlockRows];  // in Attention::rows
  const float* query[kAttentionBlockRows];
  uint32_t begin[kAttentionBlockRows];
  uint32_t end[kAttentionBlockRows];
  const float* bias[kAttentionBlockRows];  // of position `begin`, or null
};

template <size_t kValue>
struct Count {
  static constexpr size_t value = kValue;
};

/// Calls `work` with the number of rows as a constant, 1 to kMost.
template <size_t kMost, class Work>
void with_rows(size_t rows, const Work& work) {
  if constexpr (kMost > 1) {
    if (rows < kMost) return with_rows<kMost - 1>(rows, work);
  }
  work(Count<kMost>{});
}

/// Calls `work` with the kind of element as a constant.
template <KvElement kValue>
struct ElementConstant {
  static constexpr KvElement value = kValue;
};
template <class Work>
void with_element(KvElement element, const Work& work) {
  switch (element) {
    case KvElement::kF32:
      return work(ElementConstant<KvElement::kF32>{});
    case KvElement::kF16:
      return work(ElementConstant<KvElement::kF16>{});
    case KvElement::kQ8_0:
      return work(ElementConstant<KvElement::kQ8_0>{});
  }
}

/// V supplies: F, kLanes (floats of a vector), kBlockRows (rows whose accumulators fit its
/// registers), and static functions
///   zero() set1(float) fma(a, b, c) multiply(a, b) load(const float*) store(float*, F)
///   load_f16(bytes) load_i8(bytes) set1_f16(bytes)      widened exactly
template <class V, KvElement kElement>
struct Elements {
  using F = typename V::F;
  static constexpr size_t kBytes =
      kElement == KvElement::kF32 ? 4 : (kElement == KvElement::kF16 ? 2 : 1);

  static F load(const std::byte* bytes) {
    if constexpr (kElement == KvElement::kF32) {
      return V::load(reinterpret_cast<const float*>(bytes));
    } else if constexpr (kElement == KvElement::kF16) {
      return V::load_f16(bytes);
    } else {
      return V::load_i8(bytes);
    }
  }

  /// `count` < kLanes elements, then zeros.
  static F load_partial(const std::byte* bytes, size_t count) {
    alignas(64) std::byte padded[V::kLanes * kBytes] = {};
    __builtin_memcpy(padded, bytes, count * kBytes);
    return load(padded);
  }
};

// --- Scores -------------------------------------------------------------------------------------

/// Vectors of a tile for kRows rows: enough independent chains to hide the latency of fma, few
/// enough for the registers.
template <class V, KvElement kElement, size_t kRows>
constexpr size_t score_tile_vectors() {
  if (V::kLanes == 16) return kRows == 1 ? 8 : (kRows == 2 ? 4 : 2);
  if (kElement == KvElement::kQ8_0) return kRows == 1 ? 4 : 2;
  return kRows == 1 ? 8 : (kRows <= 3 ? 4 : 2);
}

/// Keys and values are fetched this far ahead, 32 lines: of 2, 4, 8 and 16 KB none did better on
/// two cores of a Xeon with AVX-512 (+15 % from DRAM for values, against none).
constexpr size_t kPrefetchBytes = 2048;

/// scores[r * 256 + i] for kRows rows and kTile vectors of keys, the first at `lane` of the group
/// at `keys`; a tile longer than a group goes on in the next ones.
template <class V, KvElement kElement, size_t kRows, size_t kTile>
void score_tile(const KvLayout& layout, const std::byte* keys, size_t lane,
                const float* const* queries, float* scores) {
  using F = typename V::F;
  using E = Elements<V, kElement>;
  constexpr size_t kPerGroup = kKeyGroup / V::kLanes;
  constexpr bool kQuantised = kElement == KvElement::kQ8_0;
  const size_t group_bytes = key_group_bytes(layout);
  const size_t step = kQuantised ? kQuantGroup : layout.key_dim;
  const float* query[kRows];
  F sum[kRows][kTile];
  for (size_t r = 0; r < kRows; ++r) {
    query[r] = queries[r];
    for (size_t t = 0; t < kTile; ++t) sum[r][t] = V::zero();
  }
  for (size_t first = 0; first < layout.key_dim; first += step) {
    const size_t count = layout.key_dim - first < step ? layout.key_dim - first : step;
    [[maybe_unused]] F scale[kTile];
    if constexpr (kQuantised) {
      for (size_t t = 0; t < kTile; ++t) {
        scale[t] = V::load_f16(keys + t / kPerGroup * group_bytes +
                               (lane + t % kPerGroup * V::kLanes) * sizeof(uint16_t));
      }
    }
    const std::byte* row =
        keys + (kQuantised ? kKeyGroup * sizeof(uint16_t) : 0) + lane * E::kBytes;
    for (size_t j = 0; j < count; ++j) {
      F key[kTile];
      for (size_t t = 0; t < kTile; ++t) {
        const std::byte* at =
            row + t / kPerGroup * group_bytes + t % kPerGroup * V::kLanes * E::kBytes;
        if (t % kPerGroup == 0) __builtin_prefetch(at + kPrefetchBytes);
        key[t] = E::load(at);
        if constexpr (kQuantised) key[t] = V::multiply(scale[t], key[t]);
      }
      for (size_t r = 0; r < kRows; ++r) {
        const F q = V::set1(query[r][first + j]);
        for (size_t t = 0; t < kTile; ++t) sum[r][t] = V::fma(q, key[t], sum[r][t]);
      }
      row += kKeyGroup * E::kBytes;
    }
    keys += kKeyBlockBytes;  // the next 32 dimensions of q8_0; not used by the others
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t t = 0; t < kTile; ++t) {
      V::store(scores + r * kChunkPositions + t * V::kLanes, sum[r][t]);
    }
  }
}

/// Raw scores of the groups that hold positions [begin, end).
template <class V, KvElement kElement, size_t kRows>
void score_rows(const KvLayout& layout, const std::byte* keys, const RowBlock& block,
                uint32_t begin, uint32_t end, float* scores) {
  constexpr size_t kTile = score_tile_vectors<V, kElement, kRows>();
  constexpr size_t kSmall = kTile > 2 ? 2 : kTile;
  const size_t last = (end + kKeyGroup - 1) / kKeyGroup * kKeyGroup;
  size_t position = begin / kGroup * kGroup;
  while (position < last) {
    const std::byte* group = keys + position / kKeyGroup * key_group_bytes(layout);
    const size_t lane = position % kKeyGroup;
    if (lane == 0 && last - position >= kTile * V::kLanes) {
      score_tile<V, kElement, kRows, kTile>(layout, group, lane, block.query, scores + position);
      position += kTile * V::kLanes;
    } else {
      score_tile<V, kElement, kRows, kSmall>(layout, group, lane, block.query, scores + position);
      position += kSmall * V::kLanes;
    }
  }
}

/// Scale and soft cap of 32 scores.
inline void scale_group(const Attention& task, float* s) {
  for (size_t l = 0; l < kKeyGroup; ++l) s[l] = s[l] * task.scale;
  if (task.soft_cap == 0) return;
  for (size_t l = 0; l < kKeyGroup; ++l) {
    s[l] = task.soft_cap * tanh_f32(s[l] / task.soft_cap);
  }
}

/// Positions outside of [begin, end) become -infinity: they take no part in the maximum, and their
/// exponential is +0.
inline void drop_absent(float* s, uint32_t first, uint32_t begin, uint32_t end) {
  const int32_t low = static_cast<int32_t>(begin) - static_cast<int32_t>(first);
  const int32_t high = static_cast<int32_t>(end) - static_cast<int32_t>(first);
  for (int32_t l = 0; l < static_cast<int32_t>(kKeyGroup); ++l) {
    s[l] = l >= low && l < high ? s[l] : -detail::kInfinity;
  }
}

/// Adds the bias of positions [begin, end) to the group at position `first`.
inline void add_bias(float* s, uint32_t first, uint32_t begin, uint32_t end, const float* bias) {
  if (first >= begin && first + kGroup <= end) {
    for (size_t l = 0; l < kKeyGroup; ++l) s[l] = s[l] + bias[first - begin + l];
    return;
  }
  for (uint32_t i = greater(first, begin); i < smaller(first + kGroup, end); ++i) {
    s[i - first] = s[i - first] + bias[i - begin];
  }
}

/// Raw scores to exponentials in place, for the groups of [begin, end). Returns the sum.
inline float exponentials(const Attention& task, float* s, uint32_t begin, uint32_t end,
                          const float* bias, float* maximum) {
  const uint32_t first = begin / kGroup * kGroup;
  float largest[kKeyGroup];
  for (size_t l = 0; l < kKeyGroup; ++l) largest[l] = -detail::kInfinity;
  for (uint32_t g = first; g < end; g += kGroup) {
    scale_group(task, s + g);
    if (bias != nullptr) add_bias(s + g, g, begin, end, bias);
    if (g < begin || g + kGroup > end) drop_absent(s + g, g, begin, end);
    for (size_t l = 0; l < kKeyGroup; ++l) {
      largest[l] = largest[l] > s[g + l] ? largest[l] : s[g + l];
    }
  }
  float m = largest[0];
  for (size_t l = 1; l < kKeyGroup; ++l) m = m > largest[l] ? m : largest[l];
  Lanes lanes = {};
  for (uint32_t g = first; g < end; g += kGroup) {
    for (size_t l = 0; l < kKeyGroup; ++l) {
      s[g + l] = exp_f32(s[g + l] - m);
      lanes.value[l] = lanes.value[l] + s[g + l];
    }
  }
  *maximum = m;
  return fold_lanes(lanes);
}

// --- Values -------------------------------------------------------------------------------------

/// Where a block's weights and outputs are: p[r * 256 + position], o[r * stride + dimension].
struct ValueTask {
  const std::byte* values;
  size_t row_bytes;
  size_t dim;
  const float* p;
  float* o;
  size_t stride;
};

/// o += p * v for kRows rows, positions [begin, end) ascending, kTile vectors of dimensions from
/// `first` on. count != 0: one vector of which only `count` dimensions are there.
template <class V, KvElement kElement, size_t kRows, size_t kTile>
void value_tile(const ValueTask& task, uint32_t begin, uint32_t end, size_t first, size_t count) {
  using F = typename V::F;
  using E = Elements<V, kElement>;
  constexpr bool kQuantised = kElement == KvElement::kQ8_0;
  F sum[kRows][kTile];
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t t = 0; t < kTile; ++t) {
      sum[r][t] = V::load(task.o + r * task.stride + first + t * V::kLanes);
    }
  }
  const std::byte* at = task.values + begin * task.row_bytes;
  at += kQuantised ? first / kQuantGroup * kValueBlockBytes : first * E::kBytes;
  for (uint32_t i = begin; i < end; ++i) {
    F value[kTile];
    for (size_t t = 0; t < kTile; ++t) {
      if constexpr (kQuantised) {
        // A tile is inside one block, or whole blocks.
        const size_t in_tile = t * V::kLanes;
        const std::byte* block = at + in_tile / kQuantGroup * kValueBlockBytes;
        const size_t inside = first % kQuantGroup + in_tile % kQuantGroup;
        const std::byte* q = block + sizeof(uint16_t) + inside;
        if (t % 2 == 0) __builtin_prefetch(block + kPrefetchBytes);
        value[t] = V::multiply(V::set1_f16(block), E::load(q));
      } else {
        const std::byte* v = at + t * V::kLanes * E::kBytes;
        if (t * V::kLanes * E::kBytes % 64 == 0) __builtin_prefetch(v + kPrefetchBytes);
        value[t] = count == 0 ? E::load(v) : E::load_partial(v, count);
      }
    }
    for (size_t r = 0; r < kRows; ++r) {
      const F p = V::set1(task.p[r * kChunkPositions + i]);
      for (size_t t = 0; t < kTile; ++t) sum[r][t] = V::fma(p, value[t], sum[r][t]);
    }
    at += task.row_bytes;
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t t = 0; t < kTile; ++t) {
      V::store(task.o + r * task.stride + first + t * V::kLanes, sum[r][t]);
    }
  }
}

template <class V, KvElement kElement, size_t kRows>
void value_rows(const ValueTask& task, uint32_t begin, uint32_t end) {
  constexpr size_t kTile = kRows <= (V::kLanes == 16 ? 4 : 3) ? 4 : 2;
  size_t first = 0;
  for (; first + kTile * V::kLanes <= task.dim; first += kTile * V::kLanes) {
    value_tile<V, kElement, kRows, kTile>(task, begin, end, first, 0);
  }
  for (; first + V::kLanes <= task.dim; first += V::kLanes) {
    value_tile<V, kElement, kRows, 1>(task, begin, end, first, 0);
  }
  if (first == task.dim) return;
  // A block of q8_0 is whole in memory, its padding zero.
  value_tile<V, kElement, kRows, 1>(task, begin, end, first,
                                    kElement == KvElement::kQ8_0 ? 0 : task.dim - first);
}

/// Row `r` of the block alone, for positions that not all its rows see.
template <class V, KvElement kElement>
void value_one_row(ValueTask task, size_t r, uint32_t begin, uint32_t end) {
  if (begin >= end) return;
  task.p += r * kChunkPositions;
  task.o += r * task.stride;
  value_rows<V, kElement, 1>(task, begin, end);
}

/// Every row's chain over its own positions of one group of 32. What all rows see is computed
/// together; the ends of each range alone, since even p = +0 could turn a -0 into +0.
template <class V, KvElement kElement>
void value_group(const ValueTask& task, const RowBlock& block, uint32_t group) {
  const uint32_t group_end = group + kGroup;
  uint32_t low = group;
  uint32_t high = group_end;
  for (size_t r = 0; r < block.count; ++r) {
    low = greater(low, block.begin[r]);
    high = smaller(high, block.end[r]);
  }
  if (low >= high) low = high = group_end;  // nothing in common: each row alone
  for (size_t r = 0; r < block.count; ++r) {
    value_one_row<V, kElement>(task, r, greater(group, block.begin[r]), smaller(low, block.end[r]));
  }
  if (low < high) {
    with_rows<V::kBlockRows>(block.count, [&](auto rows) {
      value_rows<V, kElement, decltype(rows)::value>(task, low, high);
    });
  }
  for (size_t r = 0; r < block.count; ++r) {
    value_one_row<V, kElement>(task, r, greater(high, block.begin[r]),
                               smaller(group_end, block.end[r]));
  }
}

// --- Chunks -------------------------------------------------------------------------------------

template <class V>
struct AttentionPass {
  const Attention& task;
  size_t stride;
  float* chunk_outputs;  // [8][stride]
  float* scores;         // [8][256]
  float* outputs;        // [row_count][stride]
  float* maxima;         // [row_count]
  float* sums;           // [row_count]

  explicit AttentionPass(const Attention& attention)
      : task(attention), stride(attention_output_stride(attention.layout.value_dim)) {
    chunk_outputs = task.scratch;
    scores = chunk_outputs + kAttentionBlockRows * stride;
    outputs = scores + kAttentionBlockRows * kChunkPositions;
    maxima = outputs + task.row_count * stride;
    sums = maxima + task.row_count;
  }

  void score(const RowBlock& block, const std::byte* keys, uint32_t begin, uint32_t end) {
    with_element(key_element(task.layout.type), [&](auto element) {
      with_rows<V::kBlockRows>(block.count, [&](auto rows) {
        score_rows<V, decltype(element)::value, decltype(rows)::value>(task.layout, keys, block,
                                                                       begin, end, scores);
      });
    });
  }

  void weigh(const RowBlock& block, const std::byte* values, uint32_t begin, uint32_t end) {
    const ValueTask values_task = {
        values, value_row_bytes(task.layout), task.layout.value_dim, scores, chunk_outputs, stride};
    for (size_t i = 0; i < block.count * stride; ++i) chunk_outputs[i] = 0;
    with_element(value_element(task.layout.type), [&](auto element) {
      for (uint32_t g = begin / kGroup * kGroup; g < end; g += kGroup) {
        value_group<V, decltype(element)::value>(values_task, block, g);
      }
    });
  }

  /// Joins a chunk's result to its row; the first present chunk is taken as it is.
  void merge(size_t index, bool is_first, float m_c, float l_c, const float* o_c) {
    float* o = outputs + index * stride;
    if (is_first) {
      maxima[index] = m_c;
      sums[index] = l_c;
      for (size_t j = 0; j < stride; ++j) o[j] = o_c[j];
      return;
    }
    const float m = maxima[index] > m_c ? maxima[index] : m_c;
    const float a = exp_f32(maxima[index] - m);
    const float b = exp_f32(m_c - m);
    sums[index] = fma_f32(sums[index], a, l_c * b);
    for (size_t j = 0; j < stride; ++j) o[j] = fma_f32(o[j], a, o_c[j] * b);
    maxima[index] = m;
  }

  void attend(const RowBlock& block, uint32_t chunk) {
    uint32_t begin = block.begin[0];
    uint32_t end = block.end[0];
    for (size_t r = 1; r < block.count; ++r) {
      begin = smaller(begin, block.begin[r]);
      end = greater(end, block.end[r]);
    }
    const KvPage& page = task.pages[chunk];
    score(block, page.keys, begin, end);
    float m[kAttentionBlockRows];
    float l[kAttentionBlockRows];
    for (size_t r = 0; r < block.count; ++r) {
      l[r] = exponentials(task, scores + r * kChunkPositions, block.begin[r], block.end[r],
                          block.bias[r], &m[r]);
    }
    weigh(block, page.values, begin, end);
    for (size_t r = 0; r < block.count; ++r) {
      const size_t index = block.index[r];
      const bool is_first = task.rows[index].key_begin / kChunk == chunk;
      merge(index, is_first, m[r], l[r], chunk_outputs + r * stride);
    }
  }

  bool sees(const AttentionRow& row, uint32_t chunk) const {
    return row.key_begin / kChunk <= chunk && chunk <= (row.key_end - 1) / kChunk;
  }

  /// All rows that see the chunk, in blocks of nearly the same size.
  void run_chunk(uint32_t chunk) {
    const uint32_t base = chunk * kChunk;
    size_t left = 0;
    for (size_t i = 0; i < task.row_count; ++i) left += sees(task.rows[i], chunk);
    RowBlock block;
    block.count = 0;
    for (size_t i = 0; i < task.row_count; ++i) {
      const AttentionRow& row = task.rows[i];
      if (!sees(row, chunk)) continue;
      const size_t r = block.count++;
      block.index[r] = i;
      block.query[r] = row.query;
      block.begin[r] = greater(row.key_begin, base) - base;
      block.end[r] = smaller(row.key_end - base, kChunk);
      block.bias[r] =
          row.bias == nullptr ? nullptr : row.bias + (base + block.begin[r] - row.key_begin);
      const size_t blocks = (left + V::kBlockRows - 1) / V::kBlockRows;
      if (block.count * blocks < left) continue;
      attend(block, chunk);
      left -= block.count;
      block.count = 0;
    }
  }

  void finish(size_t index) {
    const AttentionRow& row = task.rows[index];
    float* o = outputs + index * stride;
    float l = sums[index];
    if (task.has_sinks) {
      const float m = maxima[index] > row.sink ? maxima[index] : row.sink;
      const float a = exp_f32(maxima[index] - m);
      l = fma_f32(l, a, exp_f32(row.sink - m));
      for (size_t j = 0; j < stride; ++j) o[j] = o[j] * a;
    }
    for (size_t j = 0; j < task.layout.value_dim; ++j) row.out[j] = o[j] / l;
  }

  void run() {
    if (task.row_count == 0) return;
    uint32_t begin = task.rows[0].key_begin;
    uint32_t end = task.rows[0].key_end;
    for (size_t i = 1; i < task.row_count; ++i) {
      begin = smaller(begin, task.rows[i].key_begin);
      end = greater(end, task.rows[i].key_end);
    }
    for (uint32_t c = begin / kChunk; c <= (end - 1) / kChunk; ++c) run_chunk(c);
    for (size_t i = 0; i < task.row_count; ++i) finish(i);
  }
};

}  // namespace
}  // namespace freehold::ops
