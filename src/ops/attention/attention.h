#pragma once
// Attention of some query rows over the pages of one key-value head, chunk by chunk with the fixed
// ascending merge of docs/NUMERICS.md, section 3. Rows share the loads of keys and values; which
// rows come in one call, and in which order, changes no bit. A key outside a row's range is never
// read into its result, so pages may hold anything there.
#include <cstddef>
#include <cstdint>

#include "ops/attention/kv_layout.h"

namespace freehold::ops {

/// One query: one head of one column. Sees the keys with index in [key_begin, key_end).
struct AttentionRow {
  const float* query = nullptr;  // [key_dim]
  float* out = nullptr;          // [value_dim]
  uint32_t key_begin = 0;
  uint32_t key_end = 0;         // > key_begin
  float sink = 0;               // joins the denominator last where Attention::has_sinks
  const float* bias = nullptr;  // [key_end - key_begin], added to the scaled and capped scores
};

/// Rows whose ranges are alike (the heads of one column, columns in order) should stand together:
/// they are taken in blocks of a few rows, in the order given. A score that is not finite makes its
/// row's result not finite; its payload is not part of the profile.
struct Attention {
  KvLayout layout;
  const KvPage* pages = nullptr;  // by chunk: pages[index / 256], aligned to 64 bytes;
                                  // pages outside every row's range may be null
  const AttentionRow* rows = nullptr;
  size_t row_count = 0;
  float scale = 1;
  float soft_cap = 0;  // 0: none
  bool has_sinks = false;
  float* scratch = nullptr;  // attention_scratch_floats(row_count, value_dim) floats, 64-byte
                             // aligned
};

size_t attention_scratch_floats(size_t row_count, size_t value_dim);

}  // namespace freehold::ops
