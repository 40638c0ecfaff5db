#include "runtime/plan/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/text.h"
#include "runtime/cache/cache_spec.h"
#include "runtime/executor/executor.h"

namespace freehold::runtime {

namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
/// In MiB: what a process holds before it plans differs a little from start to start.
constexpr uint64_t kHintSlack = 1;
/// docs/ARCHITECTURE.md: the ring at most 64 MB or a tenth of the budget.
constexpr uint64_t kRingBytesMax = 64 * kMiB;
constexpr uint64_t kRingShare = 10;
/// A ring holds at least this many panels where its bytes allow: enough in flight for the disk's
/// queue while some are computed on. Longer panels cost fewer wake-ups: 16 lost 3 % to 8.
constexpr uint64_t kRingPanels = 8;
/// The fewest that still hide reading behind computing.
constexpr uint64_t kRingPanelsMin = 4;
/// What a process grows by outside the accounted buffers: stacks, allocator, a request's buffers.
/// Measured: 3 to 5 MiB on the four models of the tests.
constexpr uint64_t kOverhead = 6 * kMiB;
constexpr uint64_t kOverheadPerThread = 256 * 1024;
/// The sampler's candidates: a few arrays over the vocabulary.
constexpr uint64_t kSamplerBytesPerToken = 24;
/// Aligned reads take in at most this much beside their panel.
constexpr uint64_t kAlignmentSlack = 32 * 1024;
constexpr uint64_t kPage = 4096;
/// The kernel charges a process for its page tables too: 8 bytes a page where no huge ones are had.
constexpr uint64_t kBytesPerTableByte = kPage / 8;
/// The fewest experts in memory at a time: one is computed while others are read.
constexpr uint64_t kExpertSlotsMin = 4;

uint64_t checksum_bytes(const Model& model) {
  uint64_t bytes = 0;
  for (const auto& shard : model.file().shards()) {
    bytes += shard->size() / io::kChecksumUnitBytes * sizeof(uint32_t);
  }
  return bytes;
}

uint64_t vector_bytes(const Model& model) {
  uint64_t bytes = 0;
  for (const model::WeightSpec& spec : model.specs()) {
    const bool decoded = spec.role != model::WeightRole::kMatrix &&
                         spec.role != model::WeightRole::kExperts &&
                         spec.role != model::WeightRole::kEmbedding;
    if (decoded) bytes += spec.rows * spec.width * sizeof(float);
  }
  return bytes;
}

/// Everything that does not depend on how many columns travel or which weights are pinned.
Result<MemoryPlan> fixed_part(const Model& model, const Workload& workload, const Budget& budget) {
  MemoryPlan plan;
  plan.budget = budget.bytes;
  plan.held = budget.held;
  plan.adapters = workload.adapters;
  plan.vectors = vector_bytes(model);
  plan.checksums = checksum_bytes(model);
  plan.overhead = kOverhead + kOverheadPerThread * workload.threads +
                  kSamplerBytesPerToken * model.parameters().vocabulary;
  plan.overhead += std::min(budget.bytes, model.layout().bytes()) / kBytesPerTableByte;
  const auto geometry = TRY(PageGeometry::create(
      cache_spec(model.parameters(), workload.cache_type, workload.positions, workload.sequences)));
  plan.cache = geometry.pool_bytes();
  if (workload.saves_cache) plan.overhead += plan.cache;
  bool is_output = model.parameters().tied_output;  // the first embedding, the tokens'
  for (const model::WeightSpec& spec : model.specs()) {
    if (spec.role != model::WeightRole::kEmbedding) continue;
    if (!is_output) plan.row_read += model.file().find(spec.name)->bytes;
    is_output = false;
  }
  return plan;
}

Status add_activations(const Model& model, const Workload& workload, size_t columns,
                       MemoryPlan& plan) {
  plan.columns_max = columns;
  plan.logits_max = std::min(workload.logits_max, columns);
  plan.activations =
      TRY(Executor::memory_bytes(model.architecture(), model.parameters(),
                                 {.columns_max = plan.columns_max,
                                  .logits_max = plan.logits_max,
                                  .output = workload.output,
                                  .workers = workload.threads,
                                  .width_max = static_cast<size_t>(plan.layout.width_max()),
                                  .adapter_rank_max = workload.adapter_rank_max}));
  return {};
}

/// What a ring of panels of `panel_bytes` takes.
uint64_t ring_for(uint64_t panel_bytes, uint64_t panels) {
  return panels * base::align_up(panel_bytes + kAlignmentSlack, kPage) + kPage;
}

/// The least for experts, where there are any.
uint64_t expert_slots_min(const WeightLayout& layout) {
  const uint64_t slots = std::min(kExpertSlotsMin, layout.expert_units());
  return slots == 0 ? 0 : slots * layout.expert_slot_bytes() + kPage;
}

/// Where everything but the experts fits: that is pinned, and what is left is slots.
bool place_experts(MemoryPlan& plan) {
  const uint64_t dense = plan.layout.bytes() - plan.layout.expert_bytes();
  const uint64_t used = plan.overhead_bytes() + dense;
  if (used + expert_slots_min(plan.layout) > plan.budget) return false;
  const uint64_t slot = plan.layout.expert_slot_bytes();
  const uint64_t slots = std::min((plan.budget - used - kPage) / slot, plan.layout.expert_units());
  plan.expert_slots = slots * slot + kPage;
  plan.layout.pin_at_most(dense);
  plan.pinned = plan.layout.pinned_bytes();
  plan.streamed = plan.layout.streamed_bytes();
  return true;
}

/// Cuts panels and the ring for what `plan` has left, and pins the rest.
void place_weights(const Model& model, MemoryPlan& plan) {
  plan.ring = 0;
  plan.expert_slots = 0;
  const uint64_t ring_most = std::min(kRingBytesMax, plan.budget / kRingShare);
  plan.panel_bytes_max =
      std::clamp(ring_most / kRingPanels / kPage * kPage, kPanelBytesMin, kPanelBytesMax);
  plan.layout = model.layout(plan.panel_bytes_max);
  plan.layout.pin_at_most(0);
  if (plan.layout.expert_bytes() > 0 && place_experts(plan)) return;
  plan.expert_slots = expert_slots_min(plan.layout);
  const uint64_t panel = plan.layout.streamed_panel_bytes_max();
  plan.ring = std::max(ring_for(panel, kRingPanelsMin), ring_most);
  const uint64_t used = plan.overhead_bytes() + plan.expert_slots;
  plan.layout.pin_at_most(plan.budget > used ? plan.budget - used : 0);
  plan.pinned = plan.layout.pinned_bytes();
  plan.streamed = plan.layout.streamed_bytes();
}

/// The smallest budget that would do: nothing pinned, the ring and the experts at their least.
Result<uint64_t> smallest_budget(const Model& model, const Workload& workload, MemoryPlan plan) {
  TRY(add_activations(model, workload, std::min(workload.columns_min, workload.columns_max), plan));
  plan.layout = model.layout(kPanelBytesMin);
  plan.layout.pin_at_most(0);
  plan.ring = ring_for(plan.layout.streamed_panel_bytes_max(), kRingPanelsMin);
  return plan.overhead_bytes() + expert_slots_min(plan.layout);
}

}  // namespace

double MemoryPlan::expert_miss_share() const {
  if (expert_slots == 0) return 0;
  const auto units = static_cast<double>(layout.expert_units());
  return 1 - std::min(1.0, static_cast<double>(expert_slots / layout.expert_slot_bytes()) / units);
}

std::string MemoryPlan::describe() const {
  std::string text;
  const auto line = [&](const char* use, uint64_t bytes) {
    if (bytes > 0) text += fmt::format("  {:<22} {:>10}\n", use, base::human_bytes(bytes));
  };
  line("program and tokenizer", held);
  line("overhead", overhead);
  line("cache", cache);
  line("activations", activations);
  line("adapters", adapters);
  line("vectors", vectors);
  line("checksums", checksums);
  line("ring", ring);
  line("pinned weights", pinned);
  line("experts in memory", expert_slots);
  line("in all", total());
  if (budget != Budget::kUnlimited) line("budget", budget);
  line("streamed every pass", streamed);
  if (expert_slots > 0) line("experts in the file", layout.expert_bytes());
  line("read by row", row_read);
  return text;
}

Result<MemoryPlan> plan_memory(const Model& model, const Workload& workload, const Budget& budget) {
  MemoryPlan plan = TRY(fixed_part(model, workload, budget));
  plan.layout = model.layout();
  TRY(add_activations(model, workload, workload.columns_max, plan));
  plan.pinned = plan.layout.bytes();
  if (plan.total() <= budget.bytes) return plan;
  // Not everything fits. Short passes make room for weights, down to what the caller allows.
  for (size_t columns = workload.columns_max;;
       columns = std::max(columns / 2, workload.columns_min)) {
    TRY(add_activations(model, workload, columns, plan));
    const bool fair = plan.activations <= budget.bytes / 8;
    if (fair || columns <= workload.columns_min) break;
  }
  place_weights(model, plan);
  if (plan.total() > budget.bytes) {
    const uint64_t smallest = TRY(smallest_budget(model, workload, plan));
    if (smallest > budget.bytes) {
      return Error{ErrorCode::kRefused,
                   fmt::format("a budget of {} is too small: the least is {} ({} cache, {} "
                               "activations, {} program and tokenizer)",
                               base::human_bytes(budget.bytes), base::human_bytes(smallest),
                               base::human_bytes(plan.cache), base::human_bytes(plan.activations),
                               base::human_bytes(plan.held + plan.overhead)),
                   fmt::format("give --memory {}M or more, or a shorter --context",
                               base::divide_up(smallest, kMiB) + kHintSlack)};
    }
    TRY(add_activations(model, workload, std::min(workload.columns_min, workload.columns_max),
                        plan));
    plan.layout = model.layout(kPanelBytesMin);
    plan.panel_bytes_max = kPanelBytesMin;
    plan.layout.pin_at_most(0);
    plan.pinned = 0;
    plan.expert_slots = expert_slots_min(plan.layout);
    plan.streamed = plan.layout.streamed_bytes();
    plan.ring = ring_for(plan.layout.streamed_panel_bytes_max(), kRingPanelsMin);
  }
  return plan;
}

}  // namespace freehold::runtime
