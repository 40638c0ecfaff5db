#pragma once
// Decides what the next pass computes: a pure step over plain state, without threads, time or I/O,
// so that any run can be replayed. Whoever decodes goes first, one column each; what room is left
// in the pass is shared among the prompts, evenly, so that a long one does not keep short ones
// waiting; of equal ones the earlier goes first. The bits of an answer do not depend on any of it.
// One thread.

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "runtime/pass.h"

namespace freehold::runtime {

using RequestId = uint64_t;

struct SchedulerOptions {
  size_t columns_max = 256;  // of one pass
  size_t logits_max = 64;    // columns of one pass that may want logits
  size_t slice_max = 256;    // columns of one prompt in one pass
  size_t requests_max = 64;  // admitted at once; more are refused
  /// Columns of prompts in a pass in which others decode, so that those do not wait long for their
  /// next token; 0: all that is left.
  size_t prompts_beside_decoding_max = 0;
};

/// What a step returns: the pass, and which request each of its logits rows is for.
struct StepPlan {
  PassSpec pass;
  std::vector<RequestId> logits_of;  // one per column that wants logits, in column order
  std::vector<RequestId> owner;      // one per column
};

class Scheduler {
 public:
  explicit Scheduler(SchedulerOptions options) : options_(options) {}

  /// A request whose sequence already holds the first `computed` of `tokens`; at least one token is
  /// still to compute. kRefused where requests_max are running.
  /// `adapters` outlive the request.
  Status admit(RequestId request, SequenceId sequence, std::vector<TokenId> tokens, size_t computed,
               std::span<const AppliedAdapter> adapters = {});
  /// Adds the token chosen for a request whose tokens are all computed.
  void append(RequestId request, TokenId token);
  void remove(RequestId request);
  /// A held request takes part in no pass.
  void hold(RequestId request, bool held);

  /// The next pass; empty where nobody waits. Marks its columns as computed.
  StepPlan step();

  std::span<const TokenId> tokens(RequestId request) const;
  bool contains(RequestId request) const;
  size_t size() const { return entries_.size(); }

 private:
  struct Entry {
    RequestId request;
    SequenceId sequence;
    std::vector<TokenId> tokens;
    size_t computed;
    std::span<const AppliedAdapter> adapters;
    bool held = false;
    size_t pending() const { return tokens.size() - computed; }
  };
  const Entry* find(RequestId request) const;
  void take(Entry& entry, size_t count, StepPlan& plan);
  void share_prompts(StepPlan& plan);

  SchedulerOptions options_;
  std::vector<Entry> entries_;  // in order of arrival
};

}  // namespace freehold::runtime
