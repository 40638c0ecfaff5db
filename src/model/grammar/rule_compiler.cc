#include "model/grammar/rule_compiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"

namespace freehold::model {

namespace {

/// A rule of at most this many bytes and ranges is put in where it is called: calls keep automata
/// small, but what every character of a text would call costs more than it saves.
constexpr uint64_t kInlinedWeightMax = 20;
constexpr uint64_t kWeightMax = uint64_t{1} << 40;
/// Nodes a state: Thompson's construction makes more than subsets keep.
constexpr size_t kNodesPerState = 16;

}  // namespace

RuleCompiler::RuleCompiler(const GrammarBuilder& builder)
    : builder_(builder),
      inlined_(builder.rules_.size(), false),
      weights_(builder.rules_.size(), 0) {
  choose_inlined();
}

std::vector<uint32_t> RuleCompiler::callees(uint32_t rule) const {
  std::vector<uint32_t> found;
  std::vector<ExpressionId> waiting{builder_.rules_[rule].body};
  while (!waiting.empty()) {
    const Expression& expression = builder_.at(waiting.back());
    waiting.pop_back();
    if (expression.kind == Kind::kCall) found.push_back(expression.rule);
    waiting.insert(waiting.end(), expression.parts.begin(), expression.parts.end());
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

// From the rules that call nothing upwards; what is in a cycle, or calls one, is never decided and
// stays a call.
void RuleCompiler::choose_inlined() {
  const size_t count = builder_.rules_.size();
  std::vector<size_t> waits_for(count, 0);
  std::vector<std::vector<uint32_t>> callers(count);
  std::vector<uint32_t> ready;
  for (uint32_t rule = 0; rule < count; ++rule) {
    const std::vector<uint32_t> called = callees(rule);
    waits_for[rule] = called.size();
    for (const uint32_t callee : called) callers[callee].push_back(rule);
    if (called.empty()) ready.push_back(rule);
  }
  while (!ready.empty()) {
    const uint32_t rule = ready.back();
    ready.pop_back();
    const uint64_t rule_weight = weight(builder_.rules_[rule].body);
    inlined_[rule] = rule_weight <= kInlinedWeightMax;
    weights_[rule] = rule_weight;
    for (const uint32_t caller : callers[rule]) {
      if (--waits_for[caller] == 0) ready.push_back(caller);
    }
  }
}

uint64_t RuleCompiler::weight(ExpressionId id) const {
  const Expression& expression = builder_.at(id);
  uint64_t sum = 0;
  switch (expression.kind) {
    case Kind::kText:
    case Kind::kUntil:
    case Kind::kWithout:
      return expression.text.size();
    case Kind::kBytes:
      return 1;
    case Kind::kCall:
      // One more, so that rules which only name each other come to an end.
      return 1 + (inlined_[expression.rule] ? weights_[expression.rule] : 0);
    case Kind::kSequence:
    case Kind::kChoice:
    case Kind::kRepeat:
      for (const ExpressionId part : expression.parts) sum += weight(part);
  }
  if (expression.kind == Kind::kRepeat) {
    const bool bounded = expression.max != GrammarBuilder::kUnbounded;
    sum *= bounded ? expression.max : uint64_t{expression.min} + 1;
  }
  return std::min(sum, kWeightMax);
}

uint32_t RuleCompiler::new_node() {
  // Beyond the limit the last node serves for all; compile() says so.
  if (nodes_.size() < nodes_max_) nodes_.emplace_back();
  return static_cast<uint32_t>(nodes_.size() - 1);
}

uint32_t RuleCompiler::lay(ExpressionId id, uint32_t from) {
  const Expression& expression = builder_.at(id);
  switch (expression.kind) {
    case Kind::kText:
      for (const char c : expression.text) {
        const uint32_t next = new_node();
        const auto byte = static_cast<uint8_t>(c);
        nodes_[from].edges.push_back({byte, byte, next});
        from = next;
      }
      return from;
    case Kind::kBytes: {
      const uint32_t next = new_node();
      nodes_[from].edges.push_back({expression.low, expression.high, next});
      return next;
    }
    case Kind::kCall: {
      if (inlined_[expression.rule]) return lay(builder_.rules_[expression.rule].body, from);
      const uint32_t next = new_node();
      nodes_[from].calls.push_back({expression.rule, next});
      return next;
    }
    case Kind::kSequence:
      for (const ExpressionId part : expression.parts) from = lay(part, from);
      return from;
    case Kind::kChoice: {
      const uint32_t next = new_node();
      for (const ExpressionId part : expression.parts) {
        const uint32_t last = lay(part, from);
        nodes_[last].silent.push_back(next);
      }
      return next;
    }
    case Kind::kUntil:
    case Kind::kWithout:
      return lay_search(expression, from);
    case Kind::kRepeat:
      break;
  }
  return lay_repeat(expression, from);
}

// Knuth, Morris and Pratt (1977): a node for every length of the searched text that was just seen.
uint32_t RuleCompiler::lay_search(const Expression& expression, uint32_t from) {
  const std::string& wanted = expression.text;
  std::vector<uint32_t> seen;
  for (size_t i = 0; i <= wanted.size(); ++i) seen.push_back(new_node());
  nodes_[from].silent.push_back(seen[0]);
  const uint32_t next = expression.kind == Kind::kUntil ? seen.back() : new_node();
  size_t fallback = 0;  // the state after wanted[1 … i)
  std::vector<std::array<uint32_t, 256>> rows;
  for (size_t i = 0; i < wanted.size(); ++i) {
    std::array<uint32_t, 256> row{};
    if (i > 0) row = rows[fallback];
    const auto byte = static_cast<uint8_t>(wanted[i]);
    const uint32_t onward = row[byte];
    row[byte] = static_cast<uint32_t>(i) + 1;
    rows.push_back(row);
    if (i > 0) fallback = onward;
    for (unsigned low = 0; low < 256;) {
      unsigned high = low;
      while (high < 255 && row[high + 1] == row[low]) ++high;
      const bool found = row[low] == wanted.size();
      if (!found || expression.kind == Kind::kUntil) {
        nodes_[seen[i]].edges.push_back(
            {static_cast<uint8_t>(low), static_cast<uint8_t>(high), seen[row[low]]});
      }
      low = high + 1;
    }
    if (expression.kind == Kind::kWithout) nodes_[seen[i]].silent.push_back(next);
  }
  return next;
}

uint32_t RuleCompiler::lay_repeat(const Expression& expression, uint32_t from) {
  const ExpressionId part = expression.parts[0];
  for (uint32_t i = 0; i < expression.min && nodes_.size() < nodes_max_; ++i)
    from = lay(part, from);
  if (expression.max == GrammarBuilder::kUnbounded) {
    const uint32_t loop = new_node();
    nodes_[from].silent.push_back(loop);
    const uint32_t last = lay(part, loop);
    nodes_[last].silent.push_back(loop);
    // A node of its own behind it: what follows must not become part of the loop.
    const uint32_t next = new_node();
    nodes_[loop].silent.push_back(next);
    return next;
  }
  const uint32_t next = new_node();
  for (uint32_t i = expression.min; i < expression.max && nodes_.size() < nodes_max_; ++i) {
    nodes_[from].silent.push_back(next);
    from = lay(part, from);
  }
  nodes_[from].silent.push_back(next);
  return next;
}

// Keeps the nodes that say something: silent ones in between are gone.
RuleCompiler::Subset RuleCompiler::close(Subset waiting) {
  ++mark_now_;
  Subset out;
  while (!waiting.empty()) {
    const uint32_t node = waiting.back();
    waiting.pop_back();
    if (mark_[node] == mark_now_) continue;
    mark_[node] = mark_now_;
    const Node& content = nodes_[node];
    waiting.insert(waiting.end(), content.silent.begin(), content.silent.end());
    if (node == end_ || !content.edges.empty() || !content.calls.empty()) out.push_back(node);
  }
  std::sort(out.begin(), out.end());
  return out;
}

uint32_t RuleCompiler::subset_state(Subset nodes, RuleAutomaton& automaton) {
  Subset closed = close(std::move(nodes));
  const auto [place, fresh] =
      numbers_.emplace(std::move(closed), static_cast<uint32_t>(subsets_.size()));
  if (!fresh) return place->second;
  subsets_.push_back(place->first);
  automaton.states.emplace_back();
  automaton.states.back().accepting =
      std::binary_search(place->first.begin(), place->first.end(), end_);
  return place->second;
}

void RuleCompiler::add_edges(uint32_t state, RuleAutomaton& automaton) {
  const Subset subset = subsets_[state];
  std::vector<RuleAutomaton::Edge> all;
  std::map<uint32_t, Subset> calls;
  for (const uint32_t node : subset) {
    all.insert(all.end(), nodes_[node].edges.begin(), nodes_[node].edges.end());
    for (const RuleAutomaton::Call& call : nodes_[node].calls) {
      calls[call.rule].push_back(call.target);
    }
  }
  // Between two of these every byte goes to the same nodes.
  std::vector<unsigned> cuts;
  for (const RuleAutomaton::Edge& edge : all) {
    cuts.push_back(edge.low);
    cuts.push_back(edge.high + 1u);
  }
  std::sort(cuts.begin(), cuts.end());
  cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
  for (size_t i = 0; i + 1 < cuts.size(); ++i) {
    Subset targets;
    for (const RuleAutomaton::Edge& edge : all) {
      if (edge.low <= cuts[i] && cuts[i] <= edge.high) targets.push_back(edge.target);
    }
    if (targets.empty()) continue;
    const uint32_t target = subset_state(std::move(targets), automaton);
    auto& edges = automaton.states[state].edges;
    if (!edges.empty() && edges.back().target == target && edges.back().high + 1u == cuts[i]) {
      edges.back().high = static_cast<uint8_t>(cuts[i + 1] - 1);
    } else {
      edges.push_back(
          {static_cast<uint8_t>(cuts[i]), static_cast<uint8_t>(cuts[i + 1] - 1), target});
    }
  }
  for (auto& [rule, targets] : calls) {
    const uint32_t target = subset_state(std::move(targets), automaton);
    automaton.states[state].calls.push_back({rule, target});
  }
}

Result<RuleAutomaton> RuleCompiler::compile(uint32_t rule, size_t states_max) {
  nodes_.assign(1, {});
  nodes_max_ = states_max * kNodesPerState + 2;
  end_ = lay(builder_.rules_[rule].body, 0);
  RuleAutomaton automaton;
  numbers_.clear();
  subsets_.clear();
  mark_.assign(nodes_.size(), 0);
  mark_now_ = 0;
  bool fits = nodes_.size() < nodes_max_;
  if (fits) subset_state({0}, automaton);
  for (uint32_t state = 0; fits && state < automaton.states.size(); ++state) {
    add_edges(state, automaton);
    fits = automaton.states.size() <= states_max;
  }
  if (fits) return automaton;
  return Error{ErrorCode::kRefused,
               fmt::format("{} needs more states than are allowed",
                           base::printable(builder_.rules_[rule].name)),
               "shorten its counted repetitions, or its alternatives that begin alike"};
}

}  // namespace freehold::model
