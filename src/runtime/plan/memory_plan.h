#pragma once
// The memory plan: where a budget for the whole process goes, decided once from a file's header and
// what will be asked of the model, before anything is loaded. A pure function; it reads no clock
// and no /proc. docs/ARCHITECTURE.md, section "Memory".

#include <cstdint>
#include <limits>
#include <string>

#include "base/result.h"
#include "ops/attention/kv_layout.h"
#include "runtime/engine/model.h"
#include "runtime/pass.h"

namespace freehold::runtime {

/// What will be computed with a model, as far as memory depends on it.
struct Workload {
  ops::CacheType cache_type = ops::CacheType::kF16;
  uint64_t positions = 0;  // of all sequences together
  size_t sequences = 1;
  size_t columns_max = 256;  // of one pass; a tight plan may lower it to `columns_min`
  size_t columns_min = 256;
  size_t logits_max = 1;  // columns of a pass that want logits; at most columns_max is used
  PassOutput output = PassOutput::kLogits;
  size_t threads = 1;
  uint64_t adapters = 0;          // bytes of all that requests may bring
  uint64_t adapter_rank_max = 0;  // … their largest rank
  bool saves_cache = false;       // a copy of the cache may stand beside it
};

struct Budget {
  static constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();
  uint64_t bytes = kUnlimited;  // for the whole process
  uint64_t held = 0;            // what the process holds already (program, header, tokenizer)
};

/// Bytes by use. All but `streamed` and `row_read` are resident; their sum is at most the budget.
struct MemoryPlan {
  uint64_t budget = Budget::kUnlimited;
  uint64_t held = 0;
  uint64_t overhead = 0;  // stacks, the allocator's slack, buffers of a request
  uint64_t cache = 0;
  uint64_t activations = 0;
  uint64_t adapters = 0;
  uint64_t vectors = 0;
  uint64_t checksums = 0;
  uint64_t ring = 0;
  uint64_t pinned = 0;
  uint64_t expert_slots = 0;  // for experts that are read when they are wanted
  uint64_t streamed = 0;      // read in every pass with logits
  uint64_t row_read = 0;      // tables that stay in the file
  uint64_t panel_bytes_max = kPanelBytesMax;
  size_t columns_max = 0;
  size_t logits_max = 0;
  WeightLayout layout;

  bool streams() const { return streamed > 0 || expert_slots > 0; }
  /// S of docs/ARCHITECTURE.md: what a pass of one column reads of memory or disk.
  uint64_t bytes_per_pass() const { return layout.bytes_used(); }
  /// Of the experts a column uses, the share that is not in a slot where all are used alike.
  double expert_miss_share() const;
  /// R: everything resident that is not a pinned weight.
  uint64_t overhead_bytes() const {
    return held + overhead + cache + activations + adapters + vectors + checksums + ring;
  }
  uint64_t total() const { return overhead_bytes() + pinned + expert_slots; }
  /// One line a use, for people.
  std::string describe() const;
};

/// kRefused where the budget cannot hold the model's least, with the smallest that would do.
/// `model` outlives the plan.
Result<MemoryPlan> plan_memory(const Model& model, const Workload& workload, const Budget& budget);

}  // namespace freehold::runtime
