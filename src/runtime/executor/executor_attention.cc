// The executor's part that meets the cache: appending columns, writing keys and values, attending.

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"
#include "ops/attention/attention.h"
#include "ops/attention/relative_bucket.h"
#include "ops/kv_write/kv_write.h"
#include "runtime/executor/executor.h"

namespace freehold::runtime {

CacheSpec cache_spec(const model::HyperParameters& parameters, ops::CacheType type,
                     uint64_t positions, size_t sequences) {
  CacheSpec spec;
  // Where a sequence is one pass, nothing outlives a layer.
  const uint32_t layers = parameters.causal ? parameters.cached_layers() : 1;
  for (uint32_t layer = 0; layer < layers; ++layer) {
    spec.layers.push_back({CacheKind::kPaged,
                           parameters.kv_heads_of(layer),
                           {type, parameters.key_dim_of(layer), parameters.value_dim_of(layer)}});
  }
  // Every sequence may leave its last chunk partly empty.
  spec.positions_max = positions + (sequences - 1) * ops::kChunkPositions;
  spec.sequences_max = static_cast<uint32_t>(sequences);
  return spec;
}

uint32_t Executor::cache_layer() const {
  const model::HyperParameters& p = options_.parameters;
  return p.causal ? p.cache_layer(static_cast<uint32_t>(layer_)) : 0;
}

Status Executor::begin_append() {
  runs_.clear();
  positions_.clear();
  std::vector<int32_t> parents;
  uint32_t pages_max = 0;
  size_t scratch_max = 0;
  for (size_t begin = 0; begin < columns_;) {
    Run run{spec_->columns[begin].sequence, static_cast<uint32_t>(begin), 0, true};
    parents.clear();
    for (size_t i = begin; i < columns_ && spec_->columns[i].sequence == run.sequence; ++i) {
      const auto previous = static_cast<int32_t>(i - begin) - 1;
      const int32_t parent = spec_->columns[i].parent;
      parents.push_back(parent == kParentPrevious ? previous : parent);
      run.chain = run.chain && parents.back() == previous;
    }
    run.count = static_cast<uint32_t>(parents.size());
    // What sees its whole sequence must have it in one pass.
    CHECK(options_.parameters.causal || (run.chain && cache_->length(run.sequence) == 0));
    Status begun = cache_->begin_append(run.sequence, parents);
    if (!begun.ok()) {
      for (const Run& earlier : runs_)
        cache_->commit(earlier.sequence, std::span<const uint32_t>{});
      return begun;
    }
    runs_.push_back(run);
    for (uint32_t i = 0; i < run.count; ++i) {
      in_sequence_[begin + i] = i;
      positions_.push_back(cache_->index(run.sequence, i));
      pages_max = std::max(pages_max, static_cast<uint32_t>(cache_->page_count(run.sequence, i)));
      scratch_max = std::max(scratch_max, cache_->scratch_bytes(run.sequence, i));
    }
    begin += run.count;
  }
  for (PageScratch& scratch : page_scratch_) {
    if (scratch.pages.size() < pages_max) scratch.pages.resize(size_t{pages_max} * 2);
    if (scratch.tree.size() >= scratch_max) continue;
    scratch.tree =
        TRY(device::Buffer::create(options_.account, device::MemoryUse::kActivations, scratch_max));
  }
  return {};
}

void Executor::end_append() {
  for (const Run& run : runs_) {
    if (failure_) {
      cache_->commit(run.sequence, std::span<const uint32_t>{});
    } else if (run.chain) {
      cache_->commit(run.sequence, run.count);
    }
  }
}

// Blocks of query rows: as many columns of one chain as fit beside the heads of a group, or a part
// of the heads where there are fewer blocks than workers.
void Executor::plan_attention(uint32_t kv_heads) {
  if (planned_kv_heads_ == kv_heads) return;
  planned_kv_heads_ = kv_heads;
  blocks_.clear();
  const uint32_t group = options_.parameters.heads / kv_heads;
  uint32_t heads_per_block = std::min(group, kAttentionRowsMax);
  if (columns_ == 1 && kv_heads < options_.pool.size()) {
    const auto shares =
        static_cast<uint32_t>(base::divide_up<size_t>(options_.pool.size(), kv_heads));
    heads_per_block = std::min(heads_per_block, base::divide_up(group, std::min(shares, group)));
  }
  for (uint32_t kv_head = 0; kv_head < kv_heads; ++kv_head) {
    for (uint32_t index = 0; index < runs_.size(); ++index) {
      const Run& run = runs_[index];
      const uint32_t step = run.chain ? std::max(1u, kAttentionRowsMax / heads_per_block) : 1;
      for (uint32_t begin = 0; begin < run.count; begin += step) {
        const uint32_t count = std::min(step, run.count - begin);
        for (uint32_t head = 0; head < group; head += heads_per_block) {
          blocks_.push_back({index, kv_head, run.first + begin, count, head,
                             std::min(heads_per_block, group - head)});
        }
      }
    }
  }
}

void Executor::write_cache(const model::Qkv& qkv) {
  const model::HyperParameters& p = options_.parameters;
  const Place key = place(qkv.key);
  const Place value = place(qkv.value);
  const auto layer = static_cast<uint32_t>(layer_);
  const uint32_t key_dim = p.key_dim_of(layer);
  const uint32_t value_dim = p.value_dim_of(layer);
  const ops::KvLayout layout{options_.cache_type, key_dim, value_dim};
  each_column(columns_, key.width * 2, [&](size_t i, size_t) {
    bool finite = true;
    for (uint32_t head = 0; head < p.kv_heads_of(layer); ++head) {
      const KvSlot slot =
          cache_->slot(spec_->columns[i].sequence, in_sequence_[i], cache_layer(), head);
      ops_.kv_write({layout, slot.page, slot.position, column(key, i) + size_t{head} * key_dim,
                     column(value, i) + size_t{head} * value_dim, &finite});
    }
    if (!finite) fresh_faults_[i] = 1;
  });
  collect_faults(columns_, full_name("cache"));
}

model::Activation Executor::attention(const model::Qkv& qkv, const model::AttentionSpec& spec) {
  const model::HyperParameters& p = options_.parameters;
  const uint32_t source = p.cache_layer(static_cast<uint32_t>(layer_));
  if (qkv.key.width != 0) write_cache(qkv);
  if (!spec.relative_bias.empty() && !relative_bias_ready_) {
    spread_relative_bias(options_.weights.vector(model::WeightSpec::kNoLayer, spec.relative_bias));
  }
  plan_attention(p.kv_heads_of(source));
  const model::Activation y = make(size_t{p.heads} * p.value_dim_of(source));
  const Place query = place(qkv.query);
  const Place out = place(y);
  options_.pool.run(blocks_.size(), [&](size_t block, size_t worker) {
    attend_block(blocks_[block], worker, query, out, spec);
  });
  return y;
}

void Executor::spread_relative_bias(std::span<const float> table) {
  const model::HyperParameters& p = options_.parameters;
  const auto own = static_cast<int64_t>(options_.columns_max) - 1;
  for (uint32_t head = 0; head < p.heads; ++head) {
    float* const biases = at_.relative_bias + size_t{head} * (2 * options_.columns_max - 1);
    for (int64_t distance = -own; distance <= own; ++distance) {
      const uint32_t bucket = ops::relative_bucket(distance, p.relative_buckets);
      biases[distance + own] = table[size_t{bucket} * p.heads + head];
    }
  }
  relative_bias_ready_ = true;
}

Executor::KeyRange Executor::keys_of(size_t column, const Run& run,
                                     const model::AttentionSpec& spec) const {
  const uint32_t position = positions_[column];
  if (!spec.causal) {
    const uint32_t length = run.count;
    if (spec.window == 0) return {0, length};
    return {position - std::min(position, spec.window),
            std::min(length - position, spec.window + 1) + position};
  }
  const uint32_t end = position + 1;
  return {spec.window != 0 && end > spec.window ? end - spec.window : 0, end};
}

void Executor::attend_block(const AttentionBlock& block, size_t worker, const Place& query,
                            const Place& out, const model::AttentionSpec& spec) {
  const model::HyperParameters& p = options_.parameters;
  const uint32_t source = p.cache_layer(static_cast<uint32_t>(layer_));
  const uint32_t group = p.heads / p.kv_heads_of(source);
  const uint32_t key_dim = p.key_dim_of(source);
  const uint32_t value_dim = p.value_dim_of(source);
  std::array<ops::AttentionRow, kAttentionRowsMax> rows;
  const Run& run = runs_[block.run];
  const size_t distances = 2 * options_.columns_max - 1;
  uint32_t count = 0;
  for (uint32_t c = 0; c < block.column_count; ++c) {
    const size_t index = block.first_column + c;
    const KeyRange keys = keys_of(index, run, spec);
    for (uint32_t h = 0; h < block.head_count; ++h) {
      const size_t head = size_t{block.kv_head} * group + block.first_head + h;
      ops::AttentionRow& row = rows[count++];
      row = {.query = column(query, index) + head * key_dim,
             .out = column(out, index) + head * value_dim,
             .key_begin = keys.begin,
             .key_end = keys.end};
      if (spec.relative_bias.empty()) continue;
      const size_t own = options_.columns_max - 1;  // the distance 0
      row.bias = at_.relative_bias + head * distances + own + keys.begin - positions_[index];
    }
  }
  // The last column of a chain sees all that the others do.
  const uint32_t last =
      spec.causal ? in_sequence_[block.first_column] + block.column_count - 1 : run.count - 1;
  PageScratch& scratch = page_scratch_[worker];
  const std::span<ops::KvPage> pages(scratch.pages.data(), cache_->page_count(run.sequence, last));
  cache_->pages(run.sequence, last, cache_layer(), block.kv_head, pages, scratch.tree.bytes());
  ops_.attention({{options_.cache_type, key_dim, value_dim},
                  pages.data(),
                  rows.data(),
                  count,
                  spec.scale,
                  spec.soft_cap,
                  false,
                  at_.scratch[worker]});
}

}  // namespace freehold::runtime
