#pragma once
// What a memory plan and a machine's rates promise: a pure function.

#include <cstdint>

#include "advisor/machine_rates.h"
#include "runtime/plan/memory_plan.h"

namespace freehold::advisor {

struct Prediction {
  double decode_tokens_per_second = 0;
  double prefill_tokens_per_second = 0;  // of a prompt of `prompt` tokens
  double disk_bytes_per_token = 0;       // while decoding
  double disk_bytes_per_day = 0;         // decoding all day
  bool disk_is_the_wall = false;         // of decoding
};

/// `plan` is for one sequence. A pass takes as long as the slower of disk and computing, which run
/// side by side, and a share of it for everything that is not a matrix.
Prediction predict(const runtime::MemoryPlan& plan, const MachineRates& rates, uint64_t prompt);

/// The largest number of positions for which plan_memory() succeeds; `resident` asks that nothing
/// be streamed. 0 where there is none, at most `most`.
uint64_t largest_context(const runtime::Model& model, runtime::Workload workload,
                         const runtime::Budget& budget, bool resident, uint64_t most);

}  // namespace freehold::advisor
