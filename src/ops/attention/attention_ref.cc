// The reference: one row, one key, one element after the other. docs/NUMERICS.md, section 3.
#include <algorithm>

#include "ops/attention/attention.h"
#include "ops/attention/attention_state.h"
#include "ops/attention/kv_position.h"
#include "ops/math/functions.h"
#include "ops/op_table.h"

namespace freehold::ops {

size_t attention_scratch_floats(size_t row_count, size_t value_dim) {
  return attention_block_floats(value_dim) + row_count * (attention_output_stride(value_dim) + 2);
}

namespace {

/// Softmax over some keys, not yet divided: maximum, sum of exponentials, weighted values.
struct Partial {
  float m = 0;
  float l = 0;
  float* o = nullptr;  // [value_dim]
};

/// Dimensions that are widened at a time.
constexpr size_t kPiece = 64;

float score(const Attention& task, const float* query, const KvPage& page, uint32_t position) {
  float key[kPiece];
  float s = 0;
  for (size_t first = 0; first < task.layout.key_dim; first += kPiece) {
    const size_t count = std::min<size_t>(kPiece, task.layout.key_dim - first);
    widen_key(task.layout, page, position, first, count, key);
    for (size_t j = 0; j < count; ++j) s = fma_f32(query[first + j], key[j], s);
  }
  s = s * task.scale;
  return task.soft_cap == 0 ? s : task.soft_cap * tanh_f32(s / task.soft_cap);
}

/// Thirty-two lanes and a tree; lane = position mod 32.
float lane_sum(const float* p, uint32_t begin, uint32_t end) {
  float lanes[32] = {};
  for (uint32_t i = begin; i < end; ++i) lanes[i % 32] = lanes[i % 32] + p[i];
  for (size_t half = 16; half > 0; half /= 2) {
    for (size_t l = 0; l < half; ++l) lanes[l] = lanes[l] + lanes[l + half];
  }
  return lanes[0];
}

/// Positions [begin, end) of one chunk; `p` has room for 256. `bias`, where there is one, is that
/// of position `begin`.
void attend_chunk(const Attention& task, const float* query, const KvPage& page, uint32_t begin,
                  uint32_t end, const float* bias, float* p, Partial* chunk) {
  for (uint32_t i = begin; i < end; ++i) p[i] = score(task, query, page, i);
  for (uint32_t i = begin; bias != nullptr && i < end; ++i) p[i] = p[i] + bias[i - begin];
  chunk->m = *std::max_element(p + begin, p + end);
  for (uint32_t i = begin; i < end; ++i) p[i] = exp_f32(p[i] - chunk->m);
  chunk->l = lane_sum(p, begin, end);
  float value[kPiece];
  for (size_t first = 0; first < task.layout.value_dim; first += kPiece) {
    const size_t count = std::min<size_t>(kPiece, task.layout.value_dim - first);
    std::fill_n(chunk->o + first, count, 0.0f);
    for (uint32_t i = begin; i < end; ++i) {
      widen_value(task.layout, page, i, first, count, value);
      for (size_t j = 0; j < count; ++j) {
        chunk->o[first + j] = fma_f32(p[i], value[j], chunk->o[first + j]);
      }
    }
  }
}

void merge(const Partial& chunk, size_t dim, Partial* total) {
  const float m = std::max(total->m, chunk.m);
  const float a = exp_f32(total->m - m);
  const float b = exp_f32(chunk.m - m);
  total->l = fma_f32(total->l, a, chunk.l * b);
  for (size_t j = 0; j < dim; ++j) total->o[j] = fma_f32(total->o[j], a, chunk.o[j] * b);
  total->m = m;
}

void join_sink(float sink, size_t dim, Partial* total) {
  const float m = std::max(total->m, sink);
  const float a = exp_f32(total->m - m);
  total->l = fma_f32(total->l, a, exp_f32(sink - m));
  for (size_t j = 0; j < dim; ++j) total->o[j] = total->o[j] * a;
  total->m = m;
}

}  // namespace

void attention_ref(const Attention& task) {
  const size_t dim = task.layout.value_dim;
  float* p = task.scratch;
  Partial chunk;
  chunk.o = p + kChunkPositions;
  for (size_t r = 0; r < task.row_count; ++r) {
    const AttentionRow& row = task.rows[r];
    Partial total;
    total.o = row.out;
    const uint32_t first = row.key_begin / kChunkPositions;
    const uint32_t last = (row.key_end - 1) / kChunkPositions;
    for (uint32_t c = first; c <= last; ++c) {
      const uint32_t base = c * static_cast<uint32_t>(kChunkPositions);
      const uint32_t begin = std::max(row.key_begin, base) - base;
      const uint32_t end = std::min(row.key_end - base, static_cast<uint32_t>(kChunkPositions));
      Partial* present = c == first ? &total : &chunk;
      const float* bias = row.bias == nullptr ? nullptr : row.bias + (base + begin - row.key_begin);
      attend_chunk(task, row.query, task.pages[c], begin, end, bias, p, present);
      if (c != first) merge(chunk, dim, &total);
    }
    if (task.has_sinks) join_sink(row.sink, dim, &total);
    for (size_t j = 0; j < dim; ++j) row.out[j] = row.out[j] / total.l;
  }
}

}  // namespace freehold::ops
