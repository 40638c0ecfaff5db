#pragma once
// What this machine does per second, as far as a prediction of a model's speed needs it. Measured
// with the kernels that will run, not from data sheets; the caller brings the clock. Kept as JSON
// between runs by whoever wants to.

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "device/isa.h"
#include "device/memory.h"
#include "device/worker_pool.h"
#include "quant/format.h"

namespace freehold::advisor {

struct MachineRates {
  std::string key;  // what they were measured with: processor rung, threads, format
  double weight_bytes_per_second = 0;  // one column: reading and multiplying weights from memory
  double operations_per_second = 0;    // many columns: multiplications and additions
  double disk_bytes_per_second = 0;    // large direct reads of the model's file; 0: not measured
  bool disk_is_direct = false;

  std::string to_json() const;
  static Result<MachineRates> parse(std::string_view json);
};

/// "avx512/2/Q4_K".
std::string rates_key(device::Isa isa, size_t threads, const quant::Format& format);

/// Measures the two rates of computing with `format` on made-up weights; takes 128 MB for a moment.
Result<MachineRates> measure_rates(device::WorkerPool& pool, device::MemoryAccount& account,
                                   base::Clock& clock, device::Isa isa,
                                   const quant::Format& format);

}  // namespace freehold::advisor
