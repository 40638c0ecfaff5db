#pragma once
// One walk over all layers: which tokens travel, as columns, and what came of each. Prefill,
// decode, batch and tree verification differ only in their columns.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "runtime/adapter/adapter.h"
#include "runtime/cache/cache.h"

namespace freehold::runtime {

using TokenId = int32_t;

/// A column that follows the one before it in the pass; its sequence's end where it is the first.
inline constexpr int32_t kParentPrevious = -2;

/// One token of one sequence. Columns of a sequence stand together, in the order they are appended.
struct PassColumn {
  SequenceId sequence{};
  TokenId token = 0;
  /// Tree nodes: index of the parent among this sequence's columns of the pass, -1 for the
  /// sequence's end.
  int32_t parent = kParentPrevious;
  bool wants_logits = false;  // or states, where those are the pass's output
  uint8_t segment = 0;        // of a pair of texts: the first or the second
  /// What is added to the weights, in this order; the same for all columns of a sequence. The list
  /// outlives the pass.
  std::span<const AppliedAdapter> adapters = {};
};

/// What a pass gives for the columns that want it.
enum class PassOutput : uint8_t {
  kLogits,
  kStates  ///< What stands before the output matrix, for those who pool it.
};

/// What the scheduler's step returns for the executor.
struct PassSpec {
  std::vector<PassColumn> columns;
};

/// A column whose activations stopped being finite; its sequence fails, its neighbours do not.
struct PassFault {
  size_t column = 0;
  std::string where;  // layer and tensor
};

/// What a pass made. Logits are [columns that want them, vocabulary], states [the same, width], in
/// column order, and live until the next pass.
struct PassResult {
  std::span<const float> logits;
  std::span<const float> states;
  std::vector<PassFault> faults;
};

}  // namespace freehold::runtime
