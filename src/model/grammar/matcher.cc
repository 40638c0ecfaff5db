#include "model/grammar/matcher.h"

#include <fmt/format.h>

#include <algorithm>

namespace freehold::model {

namespace {

/// Nodes of stacks that are gone stay until there are this many more.
constexpr size_t kNodesBetweenCompactions = 1u << 16;

}  // namespace

GrammarMatcher::GrammarMatcher(std::shared_ptr<TokenMasks> masks)
    : masks_(std::move(masks)),
      machine_(masks_->grammar()),
      stacks_(machine_.start(masks_->grammar().start())),
      mask_(masks_->vocabulary().words(), 0),
      compact_at_(kNodesBetweenCompactions) {}

Result<std::span<const uint64_t>> GrammarMatcher::allowed() {
  std::fill(mask_.begin(), mask_.end(), 0);
  if (!ended_) TRY(masks_->fill(machine_, stacks_, mask_));
  if (may_end()) {
    for (const TokenId token : masks_->vocabulary().ends()) {
      mask_[static_cast<size_t>(token) / 64] |= uint64_t{1} << (static_cast<size_t>(token) % 64);
    }
  }
  if (std::all_of(mask_.begin(), mask_.end(), [](uint64_t word) { return word == 0; })) {
    return Error{ErrorCode::kFailed, "no token of the model fits the grammar at this point",
                 "the model's vocabulary lacks the bytes that the grammar asks for"};
  }
  return std::span<const uint64_t>(mask_);
}

Status GrammarMatcher::accept(TokenId token) {
  if (masks_->vocabulary().is_end(token)) {
    if (!may_end()) {
      return Error{ErrorCode::kRefused, "the grammar does not allow the answer to end here", {}};
    }
    ended_ = true;
    return {};
  }
  const std::string_view bytes = masks_->vocabulary().bytes(token);
  if (bytes.empty()) {
    return Error{ErrorCode::kRefused, fmt::format("no grammar allows token {}", token), {}};
  }
  return accept_text(bytes);
}

Status GrammarMatcher::accept_text(std::string_view bytes) {
  StackSet stacks = stacks_;
  if (ended_) stacks.clear();
  for (const char c : bytes) {
    stacks = machine_.step(stacks, static_cast<uint8_t>(c));
    if (machine_.overflowed()) return too_ambiguous();
    if (stacks.empty()) {
      return Error{ErrorCode::kRefused, "the grammar does not allow this text here", {}};
    }
  }
  stacks_ = std::move(stacks);
  if (machine_.nodes() > compact_at_) {
    machine_.compact(stacks_);
    compact_at_ = machine_.nodes() + kNodesBetweenCompactions;
  }
  return {};
}

Result<bool> grammar_accepts(const Grammar& grammar, std::string_view text) {
  StackMachine machine(grammar);
  StackSet stacks = machine.start(grammar.start());
  for (const char c : text) {
    stacks = machine.step(stacks, static_cast<uint8_t>(c));
    if (machine.overflowed()) return too_ambiguous();
    if (stacks.empty()) return false;
  }
  return machine.accepts(stacks);
}

}  // namespace freehold::model
