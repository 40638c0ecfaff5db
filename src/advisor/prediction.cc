#include "advisor/prediction.h"

#include <algorithm>
#include <cmath>

#include "base/bytes.h"

namespace freehold::advisor {

namespace {

/// What norms, attention over short contexts, sampling and the ends of parallel regions add to the
/// matrices: 4 to 9 % on the real models of the tests, more on the smallest.
constexpr double kBesideMatrices = 1.06;
/// What a disk gives beside processors that compute and check, of what it gives beside idle ones:
/// 0.85 to 0.93 on the machines of bench/history (docs/measurements/streaming.txt).
constexpr double kBesideComputing = 0.9;

/// Values that a column is multiplied with, from the bytes of the layout.
double weights_of(const runtime::WeightLayout& layout, bool with_output) {
  double values = 0;
  for (const runtime::MatrixLayout& matrix : layout.matrices) {
    if (matrix.output_only && !with_output) continue;
    const double share =
        static_cast<double>(matrix.spec->parts_used) / static_cast<double>(matrix.spec->parts);
    values +=
        share * static_cast<double>(matrix.spec->rows) * static_cast<double>(matrix.spec->width);
  }
  return values;
}

/// The share of experts that at least one of `columns` uses where all are used alike.
double touched_share(const runtime::WeightLayout& layout, double columns) {
  for (const runtime::MatrixLayout& matrix : layout.matrices) {
    if (!matrix.is_experts()) continue;
    const double used =
        static_cast<double>(matrix.spec->parts_used) / static_cast<double>(matrix.spec->parts);
    return 1 - std::pow(1 - used, columns);
  }
  return 0;
}

double streamed_bytes(const runtime::WeightLayout& layout, bool with_output) {
  double bytes = 0;
  for (const runtime::MatrixLayout& matrix : layout.matrices) {
    if (matrix.is_experts() || (matrix.output_only && !with_output)) continue;
    for (size_t panel = 0; panel < matrix.panels(); ++panel) {
      if (!matrix.pinned[panel]) bytes += static_cast<double>(matrix.bytes_of(panel));
    }
  }
  return bytes;
}

double disk_seconds(double bytes, const MachineRates& rates) {
  if (bytes == 0 || rates.disk_bytes_per_second <= 0) return 0;
  return bytes / (rates.disk_bytes_per_second * kBesideComputing);
}

}  // namespace

Prediction predict(const runtime::MemoryPlan& plan, const MachineRates& rates, uint64_t prompt) {
  Prediction made;
  const double of_experts = static_cast<double>(plan.layout.expert_bytes_used());
  const double missing = plan.expert_miss_share() * of_experts;
  made.disk_bytes_per_token = streamed_bytes(plan.layout, true) + missing;
  const double disk = disk_seconds(made.disk_bytes_per_token, rates);
  const double computing =
      static_cast<double>(plan.bytes_per_pass()) / rates.weight_bytes_per_second * kBesideMatrices;
  made.disk_is_the_wall = disk > computing;
  double seconds = std::max(disk, computing);
  if (missing > 0) {
    // Which experts are wanted is known only when a layer has come that far: their reading hides
    // behind those that are there, not behind what comes before.
    const double experts = of_experts / rates.weight_bytes_per_second * kBesideMatrices;
    const double present = experts * (1 - plan.expert_miss_share());
    const double reading = disk_seconds(missing, rates);
    seconds = std::max(disk - reading, computing - experts) + std::max(reading, present) + experts -
              present;
  }
  made.decode_tokens_per_second = 1 / seconds;
  made.disk_bytes_per_day = made.disk_bytes_per_token * made.decode_tokens_per_second * 86400;
  // The prompt in slices; the last one makes logits of one column, which costs next to nothing.
  const uint64_t slices =
      base::divide_up(std::max<uint64_t>(1, prompt), std::max<uint64_t>(1, plan.columns_max));
  const double operations = 2 * weights_of(plan.layout, false) * static_cast<double>(prompt);
  const double columns = static_cast<double>(std::min<uint64_t>(plan.columns_max, prompt));
  const double experts_read = plan.expert_miss_share() * touched_share(plan.layout, columns) *
                              static_cast<double>(plan.layout.expert_bytes());
  const double all_disk = disk_seconds(streamed_bytes(plan.layout, false) + experts_read, rates) *
                          static_cast<double>(slices);
  const double all_computing = operations / rates.operations_per_second * kBesideMatrices;
  made.prefill_tokens_per_second = static_cast<double>(prompt) / std::max(all_disk, all_computing);
  return made;
}

uint64_t largest_context(const runtime::Model& model, runtime::Workload workload,
                         const runtime::Budget& budget, bool resident, uint64_t most) {
  const auto fits = [&](uint64_t positions) {
    workload.positions = positions;
    const auto plan = runtime::plan_memory(model, workload, budget);
    return plan.ok() && !(resident && plan->streams());
  };
  uint64_t low = 0;
  uint64_t high = most + 1;  // does not fit, or is not asked
  while (high - low > 1) {
    const uint64_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return low;
}

}  // namespace freehold::advisor
