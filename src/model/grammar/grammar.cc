#include "model/grammar/grammar.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/grammar/rule_compiler.h"

namespace freehold::model {

/// Compiles the rules that the start needs, cuts what can never end, and joins them to one Grammar.
class GrammarLinker {
 public:
  GrammarLinker(const GrammarBuilder& builder, uint32_t start)
      : builder_(builder),
        compiler_(builder),
        start_(start),
        number_of_(builder.rules_.size(), kNone) {}

  Result<Grammar> link() {
    TRY(compile_rules());
    cut_endless();
    if (!ends_[0][0]) {
      return Error{ErrorCode::kRefused, "the grammar allows no text at all",
                   "something in it contradicts itself, or never ends"};
    }
    TRY(refuse_left_recursion());
    return joined();
  }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  /// Rules by number in the order they are first needed; the start is the first.
  Status compile_rules() {
    rules_.push_back(start_);
    number_of_[start_] = 0;
    size_t states = 0;
    for (size_t i = 0; i < rules_.size(); ++i) {
      const size_t states_max = builder_.limits_.states_max;
      automata_.push_back(TRY(compiler_.compile(rules_[i], states_max - states)));
      states += automata_.back().states.size();
      for (RuleAutomaton::State& state : automata_.back().states) {
        for (RuleAutomaton::Call& call : state.calls) {
          uint32_t& number = number_of_[call.rule];
          if (number == kNone) {
            number = static_cast<uint32_t>(rules_.size());
            rules_.push_back(call.rule);
          }
          call.rule = number;  // from here on by number in rules_
        }
      }
      if (states >= states_max) {
        return Error{ErrorCode::kRefused,
                     fmt::format("the grammar needs more than {} states", states_max),
                     "make it smaller"};
      }
    }
    return {};
  }

  /// Finds the states from which an end can be reached, by rounds until nothing new is found, and
  /// takes away all edges to others: no text leads into a dead end.
  void cut_endless() {
    for (const RuleAutomaton& automaton : automata_) {
      ends_.emplace_back(automaton.states.size(), false);
    }
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t rule = automata_.size(); rule-- > 0;) changed |= find_ends(rule);
    }
    for (size_t rule = 0; rule < automata_.size(); ++rule) {
      for (RuleAutomaton::State& state : automata_[rule].states) {
        std::erase_if(state.edges, [&](const auto& edge) { return !ends_[rule][edge.target]; });
        std::erase_if(state.calls, [&](const auto& call) {
          return !ends_[rule][call.target] || !ends_[call.rule][0];
        });
      }
    }
  }

  bool find_ends(size_t rule) {
    bool found_any = false;
    for (bool changed = true; changed;) {
      changed = false;
      const auto& states = automata_[rule].states;
      for (size_t i = states.size(); i-- > 0;) {
        if (ends_[rule][i]) continue;
        const RuleAutomaton::State& state = states[i];
        const bool ends =
            state.accepting ||
            std::any_of(state.edges.begin(), state.edges.end(),
                        [&](const auto& edge) { return ends_[rule][edge.target]; }) ||
            std::any_of(state.calls.begin(), state.calls.end(), [&](const auto& call) {
              return ends_[rule][call.target] && ends_[call.rule][0];
            });
        if (ends) ends_[rule][i] = changed = found_any = true;
      }
    }
    return found_any;
  }

  /// The rules that each rule may call before its first byte.
  std::vector<std::vector<uint32_t>> first_calls() {
    const size_t count = automata_.size();
    std::vector<bool> nullable(count, false);
    std::vector<std::vector<uint32_t>> calls(count);
    for (bool changed = true; changed;) {
      changed = false;
      for (size_t rule = count; rule-- > 0;) {
        std::vector<uint32_t> waiting{0};
        std::vector<bool> seen(automata_[rule].states.size(), false);
        calls[rule].clear();
        while (!waiting.empty()) {
          const uint32_t state = waiting.back();
          waiting.pop_back();
          if (seen[state]) continue;
          seen[state] = true;
          if (automata_[rule].states[state].accepting && !nullable[rule]) {
            nullable[rule] = changed = true;
          }
          for (const RuleAutomaton::Call& call : automata_[rule].states[state].calls) {
            calls[rule].push_back(call.rule);
            if (nullable[call.rule]) waiting.push_back(call.target);
          }
        }
      }
    }
    return calls;
  }

  /// Takes rules away that call none of the rest first; what is left is in a cycle or leads to one.
  Status refuse_left_recursion() {
    const auto calls = first_calls();
    const size_t count = calls.size();
    std::vector<size_t> waits_for(count);
    std::vector<std::vector<uint32_t>> callers(count);
    std::vector<uint32_t> ready;
    for (uint32_t rule = 0; rule < count; ++rule) {
      waits_for[rule] = calls[rule].size();
      for (const uint32_t callee : calls[rule]) callers[callee].push_back(rule);
      if (calls[rule].empty()) ready.push_back(rule);
    }
    size_t done = 0;
    for (; !ready.empty(); ++done) {
      const uint32_t rule = ready.back();
      ready.pop_back();
      for (const uint32_t caller : callers[rule]) {
        if (--waits_for[caller] == 0) ready.push_back(caller);
      }
    }
    if (done == count) return {};
    // Following calls among the rest arrives in the cycle after at most `count` steps.
    const auto stuck = [&](uint32_t rule) { return waits_for[rule] != 0; };
    uint32_t rule = 0;
    while (!stuck(rule)) ++rule;
    for (size_t i = 0; i < count; ++i) {
      rule = *std::find_if(calls[rule].begin(), calls[rule].end(), stuck);
    }
    return Error{ErrorCode::kRefused,
                 fmt::format("the rule {} begins with itself (left recursion)",
                             base::printable(builder_.rules_[rules_[rule]].name)),
                 "write the repetition with * or +, or put the recursion last"};
  }

  Grammar joined() const {
    std::vector<uint32_t> first(automata_.size());
    uint32_t next = 0;
    for (size_t rule = 0; rule < automata_.size(); ++rule) {
      first[rule] = next;
      next += static_cast<uint32_t>(automata_[rule].states.size());
    }
    Grammar grammar;
    for (size_t rule = 0; rule < automata_.size(); ++rule) {
      for (const RuleAutomaton::State& state : automata_[rule].states) {
        grammar.states_.push_back({static_cast<uint32_t>(grammar.byte_edges_.size()),
                                   static_cast<uint32_t>(grammar.call_edges_.size()),
                                   state.accepting});
        for (const RuleAutomaton::Edge& edge : state.edges) {
          grammar.byte_edges_.push_back({edge.low, edge.high, first[rule] + edge.target});
        }
        for (const RuleAutomaton::Call& call : state.calls) {
          grammar.call_edges_.push_back({first[call.rule], first[rule] + call.target});
        }
      }
    }
    grammar.states_.push_back({static_cast<uint32_t>(grammar.byte_edges_.size()),
                               static_cast<uint32_t>(grammar.call_edges_.size()), false});
    return grammar;
  }

  const GrammarBuilder& builder_;
  RuleCompiler compiler_;
  uint32_t start_;
  std::vector<uint32_t> number_of_;  // [rules of the builder]: number in rules_
  std::vector<uint32_t> rules_;
  std::vector<RuleAutomaton> automata_;  // [rules_]
  std::vector<std::vector<bool>> ends_;  // [rules_][states]
};

Result<Grammar> GrammarBuilder::build(RuleId start) const {
  TRY(check());
  return GrammarLinker(*this, static_cast<uint32_t>(start)).link();
}

}  // namespace freehold::model
