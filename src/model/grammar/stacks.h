#pragma once
// The machine under matchers and masks: sets of stacks of grammar states, stepped by bytes. Stacks
// share their lower parts (a tree of nodes, each kept once), so a set is a few numbers. One thread.

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "model/grammar/grammar.h"

namespace freehold::model {

/// kRefused: what a set of stacks beyond StackMachine::kStacksMax means to whoever wrote the
/// grammar.
Error too_ambiguous();

/// All stacks a text may have led to; sorted. Empty: the text is not of the grammar.
using StackSet = std::vector<uint32_t>;

class StackMachine {
 public:
  using NodeId = uint32_t;
  static constexpr NodeId kBottom = UINT32_MAX;  ///< the parent of the lowest state
  /// More stacks at once mean a grammar so ambiguous that every byte would cost too much.
  static constexpr size_t kStacksMax = 512;
  static constexpr size_t kNodesMax = 4u << 20;

  /// `grammar` outlives it.
  explicit StackMachine(const Grammar& grammar) : grammar_(grammar) {}

  StackSet start(Grammar::StateId state) { return {intern(state, kBottom)}; }
  /// Whether the text may end here: a stack can be emptied without another byte.
  bool accepts(const StackSet& stacks) {
    expand(stacks);
    return emptied_;
  }
  /// Whether any byte may follow.
  bool continues(const StackSet& stacks);
  /// The stacks behind `byte`. Where overflowed() is true afterwards, they are not all of them.
  StackSet step(const StackSet& stacks, uint8_t byte);
  /// Too many stacks at once, since clear().
  bool overflowed() const { return overflowed_; }

  Grammar::StateId state(NodeId node) const { return nodes_[node].state; }
  NodeId parent(NodeId node) const { return nodes_[node].parent; }
  size_t nodes() const { return nodes_.size(); }
  void clear();
  /// Forgets every node but those of `stacks`, whose numbers change.
  void compact(StackSet& stacks);

 private:
  struct Node {
    Grammar::StateId state;
    NodeId parent;
  };
  NodeId intern(Grammar::StateId state, NodeId parent);
  /// The node where a rule goes on: those below it where nothing is left to do in it.
  NodeId arrive(Grammar::StateId state, NodeId parent);
  /// Fills reached_ with every node that `stacks` come to without a byte.
  void expand(const StackSet& stacks);
  void reach(NodeId node);

  const Grammar& grammar_;
  std::vector<Node> nodes_;
  std::unordered_map<uint64_t, NodeId> numbers_;
  std::vector<NodeId> reached_;
  std::vector<uint32_t> mark_;  // [nodes] by expand()
  uint32_t mark_now_ = 0;
  bool emptied_ = false;
  bool overflowed_ = false;
};

}  // namespace freehold::model
