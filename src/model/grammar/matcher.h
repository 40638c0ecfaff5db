#pragma once
// One answer under a grammar: which tokens may come next, and the step over the one that came.
// Starts at the beginning of the grammar; belongs to one sequence and its thread.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/grammar/stacks.h"
#include "model/grammar/token_masks.h"

namespace freehold::model {

class GrammarMatcher {
 public:
  explicit GrammarMatcher(std::shared_ptr<TokenMasks> masks);

  /// A bit for every token of the vocabulary: those that go on inside the grammar and, where it may
  /// end, those that end an answer. Valid until the next call. kRefused where the grammar is too
  /// ambiguous to go on; kFailed where the vocabulary has no token to go on with.
  Result<std::span<const uint64_t>> allowed();
  /// The token that came. kRefused where the grammar does not allow it; nothing has changed then.
  Status accept(TokenId token);
  /// The same for text that no token stands for.
  Status accept_text(std::string_view bytes);
  /// Whether the answer may end here.
  bool may_end() { return ended_ || machine_.accepts(stacks_); }
  /// Whether it must: nothing can follow.
  bool must_end() { return ended_ || !machine_.continues(stacks_); }

 private:
  std::shared_ptr<TokenMasks> masks_;
  StackMachine machine_;
  StackSet stacks_;
  std::vector<uint64_t> mask_;
  size_t compact_at_ = 0;
  bool ended_ = false;
};

/// Whether the whole of `text` is of `grammar`; kRefused where that is too ambiguous to say.
Result<bool> grammar_accepts(const Grammar& grammar, std::string_view text);

}  // namespace freehold::model
