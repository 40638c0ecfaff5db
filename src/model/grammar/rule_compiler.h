#pragma once
// One rule's expression to one deterministic automaton: Thompson's construction, small rules put in
// where they are called, then subsets. Inside the folder only.

#include <map>
#include <utility>
#include <vector>

#include "model/grammar/grammar.h"

namespace freehold::model {

/// Edges go to states of the same rule; calls name rules.
struct RuleAutomaton {
  struct Edge {
    uint8_t low;
    uint8_t high;
    uint32_t target;
  };
  struct Call {
    uint32_t rule;
    uint32_t target;
  };
  struct State {
    std::vector<Edge> edges{};
    std::vector<Call> calls{};
    bool accepting = false;
  };
  std::vector<State> states;  // the first is the start
};

class RuleCompiler {
 public:
  /// `builder` was checked and outlives it.
  explicit RuleCompiler(const GrammarBuilder& builder);
  /// Whether callers hold the rule's text themselves instead of calling it.
  bool is_inlined(uint32_t rule) const { return inlined_[rule]; }
  /// Rules that `rule` names, in the order of its text, those of inlined rules included.
  std::vector<uint32_t> callees(uint32_t rule) const;
  /// kRefused where it needs more than `states_max` states.
  Result<RuleAutomaton> compile(uint32_t rule, size_t states_max);

 private:
  using Expression = GrammarBuilder::Expression;
  using ExpressionId = GrammarBuilder::ExpressionId;
  using Kind = GrammarBuilder::Kind;
  struct Node {
    std::vector<uint32_t> silent{};  // edges without a byte
    std::vector<RuleAutomaton::Edge> edges{};
    std::vector<RuleAutomaton::Call> calls{};
  };
  using Subset = std::vector<uint32_t>;

  void choose_inlined();
  uint64_t weight(ExpressionId id) const;
  uint32_t new_node();
  /// Adds what `id` says behind `from`; the node where it ends.
  uint32_t lay(ExpressionId id, uint32_t from);
  uint32_t lay_search(const Expression& expression, uint32_t from);
  uint32_t lay_repeat(const Expression& expression, uint32_t from);
  Subset close(Subset nodes);
  uint32_t subset_state(Subset nodes, RuleAutomaton& automaton);
  void add_edges(uint32_t state, RuleAutomaton& automaton);

  const GrammarBuilder& builder_;
  std::vector<bool> inlined_;
  std::vector<uint64_t> weights_;  // of inlined rules
  std::vector<Node> nodes_;
  size_t nodes_max_ = 0;
  uint32_t end_ = 0;
  std::map<Subset, uint32_t> numbers_;
  std::vector<Subset> subsets_;
  std::vector<uint32_t> mark_;  // [nodes] by close()
  uint32_t mark_now_ = 0;
};

}  // namespace freehold::model
