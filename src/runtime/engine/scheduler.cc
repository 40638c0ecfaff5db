#include "runtime/engine/scheduler.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/bytes.h"
#include "base/check.h"

namespace freehold::runtime {

Status Scheduler::admit(RequestId request, SequenceId sequence, std::vector<TokenId> tokens,
                        size_t computed, std::span<const AppliedAdapter> adapters) {
  CHECK(computed < tokens.size() && find(request) == nullptr);
  if (entries_.size() >= options_.requests_max) {
    return Error{ErrorCode::kRefused,
                 fmt::format("{} requests are running, the most there may be", entries_.size()),
                 "try again when one has ended"};
  }
  entries_.push_back({request, sequence, std::move(tokens), computed, adapters});
  return {};
}

const Scheduler::Entry* Scheduler::find(RequestId request) const {
  for (const Entry& entry : entries_) {
    if (entry.request == request) return &entry;
  }
  return nullptr;
}

bool Scheduler::contains(RequestId request) const { return find(request) != nullptr; }

std::span<const TokenId> Scheduler::tokens(RequestId request) const {
  const Entry* entry = find(request);
  CHECK(entry != nullptr);
  return entry->tokens;
}

void Scheduler::append(RequestId request, TokenId token) {
  for (Entry& entry : entries_) {
    if (entry.request != request) continue;
    CHECK(entry.pending() == 0);
    entry.tokens.push_back(token);
    return;
  }
  CHECK(false);  // unknown request: a bug in the engine
}

void Scheduler::remove(RequestId request) {
  std::erase_if(entries_, [request](const Entry& entry) { return entry.request == request; });
}

void Scheduler::hold(RequestId request, bool held) {
  for (Entry& entry : entries_) {
    if (entry.request == request) entry.held = held;
  }
}

void Scheduler::take(Entry& entry, size_t count, StepPlan& plan) {
  for (size_t i = 0; i < count; ++i) {
    PassColumn column;
    column.sequence = entry.sequence;
    column.token = entry.tokens[entry.computed + i];
    column.adapters = entry.adapters;
    column.wants_logits = entry.computed + i + 1 == entry.tokens.size();
    if (column.wants_logits) plan.logits_of.push_back(entry.request);
    plan.pass.columns.push_back(column);
    plan.owner.push_back(entry.request);
  }
  entry.computed += count;
}

/// Water-filling: who needs less than an even share leaves the rest to the others.
void Scheduler::share_prompts(StepPlan& plan) {
  std::vector<Entry*> waiting;
  for (Entry& entry : entries_) {
    if (!entry.held && entry.pending() > 0) waiting.push_back(&entry);
  }
  std::stable_sort(waiting.begin(), waiting.end(), [](const Entry* left, const Entry* right) {
    return left->pending() < right->pending();
  });
  size_t room = options_.columns_max - plan.pass.columns.size();
  const bool beside = !plan.pass.columns.empty() && options_.prompts_beside_decoding_max > 0;
  if (beside) room = std::min(room, options_.prompts_beside_decoding_max);
  for (size_t i = 0; i < waiting.size(); ++i) {
    const size_t share = base::divide_up(room, waiting.size() - i);
    size_t count = std::min({waiting[i]->pending(), share, options_.slice_max});
    // A prompt's last column needs a place for its logits; without one it waits for the next pass.
    const bool last = count == waiting[i]->pending();
    if (last && count > 0 && plan.logits_of.size() == options_.logits_max) --count;
    if (count > 0) take(*waiting[i], count, plan);
    room -= count;
  }
}

StepPlan Scheduler::step() {
  StepPlan plan;
  for (Entry& entry : entries_) {
    const bool room = plan.pass.columns.size() < options_.columns_max &&
                      plan.logits_of.size() < options_.logits_max;
    if (!entry.held && entry.pending() == 1 && room) take(entry, 1, plan);
  }
  share_prompts(plan);
  return plan;
}

}  // namespace freehold::runtime
