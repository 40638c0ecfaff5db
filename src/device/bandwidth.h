#pragma once
// B of docs/ARCHITECTURE.md: how fast this machine reads memory, as the best of several read loops
// with and without prefetch, on the workers that will compute. A measurement, so the caller brings
// a clock.

#include <cstdint>

#include "base/clock.h"
#include "base/result.h"
#include "device/memory.h"
#include "device/worker_pool.h"

namespace freehold::device {

struct Bandwidth {
  double bytes_per_second = 0;
  const char* best_loop = "";  // which loop won
  uint64_t bytes = 0;          // size of the block that was read
};

/// Reads a block of `bytes` (larger than the last-level cache for a figure of main memory) a few
/// times with each loop. kRefused where the block cannot be had.
Result<Bandwidth> measure_bandwidth(WorkerPool& pool, MemoryAccount& account, base::Clock& clock,
                                    uint64_t bytes);

}  // namespace freehold::device
