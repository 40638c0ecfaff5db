#pragma once
// A grammar over bytes, ready to be matched: one deterministic automaton a rule, whose edges are
// bytes or calls of other rules (a recursive transition network; Woods 1970). Made by a
// GrammarBuilder from expressions; GBNF (gbnf.h) and JSON Schema (json_schema.h) build with it.
// Not a matcher (matcher.h) and no masks (token_masks.h). Immutable once built; any thread.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"

namespace freehold::model {

struct GrammarLimits {
  uint32_t rules_max = 10'000;
  uint32_t expressions_max = 400'000;
  uint32_t depth_max = 256;      // of expressions in each other
  uint32_t states_max = 60'000;  // of all automata together
};

/// The byte before the text of a control token: it stands in no UTF-8, so no text can be taken for
/// a mark (GrammarBuilder::mark()).
constexpr char kMarkByte = '\xff';

class Grammar {
 public:
  using StateId = uint32_t;
  struct ByteEdge {
    uint8_t low;  // first to last byte, both included
    uint8_t high;
    StateId target;
  };
  struct CallEdge {
    StateId callee;  // the start of a rule's automaton
    StateId target;  // where the caller goes on
  };
  struct State {
    uint32_t bytes_begin = 0;  // its edges end where the next state's begin
    uint32_t calls_begin = 0;
    bool accepting = false;
  };

  StateId start() const { return start_; }
  size_t states() const { return states_.size() - 1; }
  bool accepting(StateId state) const { return states_[state].accepting; }
  std::span<const ByteEdge> byte_edges(StateId state) const {
    return std::span(byte_edges_)
        .subspan(states_[state].bytes_begin,
                 states_[state + 1].bytes_begin - states_[state].bytes_begin);
  }
  std::span<const CallEdge> call_edges(StateId state) const {
    return std::span(call_edges_)
        .subspan(states_[state].calls_begin,
                 states_[state + 1].calls_begin - states_[state].calls_begin);
  }
  /// Nothing can follow but the return to the caller.
  bool only_returns(StateId state) const {
    return accepting(state) && byte_edges(state).empty() && call_edges(state).empty();
  }

 private:
  friend class GrammarLinker;
  std::vector<State> states_;  // and one behind the last
  std::vector<ByteEdge> byte_edges_;
  std::vector<CallEdge> call_edges_;
  StateId start_ = 0;
};

/// First to last code point, both included.
struct RuneRange {
  char32_t low;
  char32_t high;
};

/// Expressions by number, rules by number. Wrong numbers are bugs; what outside input can cause
/// (size, depth, left recursion, a rule nobody defined, a language without a text) comes out of
/// build().
class GrammarBuilder {
 public:
  enum class ExpressionId : uint32_t {};
  enum class RuleId : uint32_t {};
  static constexpr uint32_t kUnbounded = UINT32_MAX;

  explicit GrammarBuilder(GrammarLimits limits = {}) : limits_(limits) {}

  /// The rule of that name, made where there is none yet.
  RuleId rule(std::string_view name);
  /// A rule that no name finds.
  RuleId new_rule(std::string_view description);
  void define(RuleId rule, ExpressionId body);
  /// Beyond a limit: build() will refuse.
  bool full() const { return too_many_ || rules_.size() > limits_.rules_max; }
  bool defined(RuleId rule) const { return rules_[index(rule)].defined; }

  ExpressionId text(std::string_view bytes);
  ExpressionId bytes(uint8_t low, uint8_t high);
  /// Any bytes up to and with the first `end`; not empty.
  ExpressionId until(std::string_view end);
  /// Any bytes, none of them `end`.
  ExpressionId without(std::string_view end);
  /// One code point of `ranges` as UTF-8; surrogates are left out.
  ExpressionId runes(std::span<const RuneRange> ranges);
  /// The control token with this text where the vocabulary has one, else the text itself.
  ExpressionId mark(std::string_view text);
  ExpressionId sequence(std::vector<ExpressionId> parts);
  ExpressionId choice(std::vector<ExpressionId> parts);
  ExpressionId repeat(ExpressionId part, uint32_t min, uint32_t max);
  ExpressionId optional(ExpressionId part) { return repeat(part, 0, 1); }
  ExpressionId call(RuleId rule);
  ExpressionId nothing() { return text(""); }
  /// No text at all, not even the empty one.
  ExpressionId never() { return choice({}); }

  /// kRefused naming the rule: beyond the limits, left recursion, no text it could make; kUsage: a
  /// rule that is not defined.
  Result<Grammar> build(RuleId start) const;

 private:
  friend class RuleCompiler;
  friend class GrammarLinker;
  enum class Kind : uint8_t { kText, kBytes, kSequence, kChoice, kRepeat, kCall, kUntil, kWithout };
  struct Expression {
    Kind kind;
    uint8_t low = 0, high = 0;  // kBytes
    uint32_t min = 0, max = 0;  // kRepeat
    uint32_t rule = 0;          // kCall
    uint32_t depth = 0;         // of expressions inside
    std::string text{};         // kText, kUntil, kWithout
    std::vector<ExpressionId> parts{};
  };
  struct Rule {
    std::string name;
    ExpressionId body{};
    bool defined = false;
  };
  template <class Id>
  static size_t index(Id id) {
    return static_cast<size_t>(id);
  }
  ExpressionId add(Expression expression);
  const Expression& at(ExpressionId id) const { return expressions_[index(id)]; }
  Status check() const;

  GrammarLimits limits_;
  std::vector<Expression> expressions_;
  std::vector<Rule> rules_;
  std::unordered_map<std::string, RuleId> by_name_;
  bool too_many_ = false;
};

}  // namespace freehold::model
