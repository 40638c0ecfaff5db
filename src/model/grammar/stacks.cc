#include "model/grammar/stacks.h"

#include <algorithm>

namespace freehold::model {

Error too_ambiguous() {
  return {ErrorCode::kRefused, "the grammar can be read in too many ways at this point",
          "give it fewer alternatives that begin alike"};
}

StackMachine::NodeId StackMachine::intern(Grammar::StateId state, NodeId parent) {
  const uint64_t key = uint64_t{state} << 32 | parent;
  const auto [place, fresh] = numbers_.emplace(key, static_cast<NodeId>(nodes_.size()));
  if (fresh) nodes_.push_back({state, parent});
  return place->second;
}

// Returns are made at once, so that repetition by recursion (list ::= item list) keeps its stack
// flat.
StackMachine::NodeId StackMachine::arrive(Grammar::StateId state, NodeId parent) {
  while (parent != kBottom && grammar_.only_returns(state)) {
    state = nodes_[parent].state;
    parent = nodes_[parent].parent;
  }
  return intern(state, parent);
}

void StackMachine::reach(NodeId node) {
  mark_.resize(nodes_.size(), 0);
  if (mark_[node] == mark_now_) return;
  mark_[node] = mark_now_;
  reached_.push_back(node);
}

void StackMachine::expand(const StackSet& stacks) {
  ++mark_now_;
  reached_.clear();
  emptied_ = false;
  for (const NodeId node : stacks) reach(node);
  for (size_t i = 0; i < reached_.size(); ++i) {
    const Node node = nodes_[reached_[i]];
    if (grammar_.accepting(node.state)) {
      if (node.parent == kBottom) {
        emptied_ = true;
      } else {
        reach(node.parent);
      }
    }
    for (const Grammar::CallEdge& call : grammar_.call_edges(node.state)) {
      const bool tail = grammar_.only_returns(call.target);
      reach(intern(call.callee, tail ? node.parent : intern(call.target, node.parent)));
    }
    if (reached_.size() > kStacksMax * 8 || nodes_.size() > kNodesMax) {
      overflowed_ = true;
      return;
    }
  }
}

bool StackMachine::continues(const StackSet& stacks) {
  expand(stacks);
  return std::any_of(reached_.begin(), reached_.end(), [this](NodeId node) {
    return !grammar_.byte_edges(nodes_[node].state).empty();
  });
}

StackSet StackMachine::step(const StackSet& stacks, uint8_t byte) {
  expand(stacks);
  StackSet out;
  for (const NodeId node : reached_) {
    const auto [state, parent] = nodes_[node];
    // Edges of a state are sorted and do not overlap.
    const auto edges = grammar_.byte_edges(state);
    const auto edge =
        std::lower_bound(edges.begin(), edges.end(), byte,
                         [](const Grammar::ByteEdge& e, uint8_t b) { return e.high < b; });
    if (edge != edges.end() && edge->low <= byte) out.push_back(arrive(edge->target, parent));
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  if (out.size() > kStacksMax) overflowed_ = true;
  return out;
}

void StackMachine::clear() {
  nodes_.clear();
  numbers_.clear();
  mark_.clear();
  mark_now_ = 0;
  overflowed_ = false;
}

void StackMachine::compact(StackSet& stacks) {
  const std::vector<Node> old = std::move(nodes_);
  const bool overflow = overflowed_;
  clear();
  overflowed_ = overflow;
  for (NodeId& node : stacks) {
    std::vector<Node> path;
    for (NodeId at = node; at != kBottom; at = old[at].parent) path.push_back(old[at]);
    NodeId parent = kBottom;
    for (size_t i = path.size(); i-- > 0;) parent = intern(path[i].state, parent);
    node = parent;
  }
  std::sort(stacks.begin(), stacks.end());
}

}  // namespace freehold::model
