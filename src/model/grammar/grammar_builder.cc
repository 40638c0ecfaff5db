#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/grammar/grammar.h"
#include "model/grammar/utf8_ranges.h"

namespace freehold::model {

using ExpressionId = GrammarBuilder::ExpressionId;
using RuleId = GrammarBuilder::RuleId;

ExpressionId GrammarBuilder::add(Expression expression) {
  // Beyond the limit everything is the first expression; build() says so.
  if (expressions_.size() >= limits_.expressions_max) {
    too_many_ = true;
    return ExpressionId{0};
  }
  for (const ExpressionId part : expression.parts) {
    expression.depth = std::max(expression.depth, at(part).depth + 1);
  }
  expressions_.push_back(std::move(expression));
  return ExpressionId{static_cast<uint32_t>(expressions_.size() - 1)};
}

RuleId GrammarBuilder::rule(std::string_view name) {
  const auto found = by_name_.find(std::string(name));
  if (found != by_name_.end()) return found->second;
  const RuleId made = new_rule(name);
  by_name_.emplace(name, made);
  return made;
}

RuleId GrammarBuilder::new_rule(std::string_view description) {
  rules_.push_back({std::string(description), {}, false});
  return RuleId{static_cast<uint32_t>(rules_.size() - 1)};
}

void GrammarBuilder::define(RuleId rule, ExpressionId body) {
  rules_[index(rule)].body = body;
  rules_[index(rule)].defined = true;
}

ExpressionId GrammarBuilder::text(std::string_view bytes) {
  return add({.kind = Kind::kText, .text = std::string(bytes)});
}

ExpressionId GrammarBuilder::bytes(uint8_t low, uint8_t high) {
  return add({.kind = Kind::kBytes, .low = low, .high = high});
}

ExpressionId GrammarBuilder::until(std::string_view end) {
  return add({.kind = Kind::kUntil, .text = std::string(end)});
}

ExpressionId GrammarBuilder::without(std::string_view end) {
  return add({.kind = Kind::kWithout, .text = std::string(end)});
}

ExpressionId GrammarBuilder::runes(std::span<const RuneRange> ranges) {
  std::vector<ExpressionId> choices;
  for (const RuneRange& range : ranges) {
    for (const Utf8Range& piece : utf8_ranges(range)) {
      std::vector<ExpressionId> sequence_parts;
      for (size_t i = 0; i < piece.length; ++i) {
        sequence_parts.push_back(bytes(piece.low[i], piece.high[i]));
      }
      choices.push_back(sequence_parts.size() == 1 ? sequence_parts[0]
                                                   : sequence(std::move(sequence_parts)));
    }
  }
  return choices.size() == 1 ? choices[0] : choice(std::move(choices));
}

ExpressionId GrammarBuilder::mark(std::string_view mark_text) {
  return choice({text(mark_text), text(kMarkByte + std::string(mark_text))});
}

ExpressionId GrammarBuilder::sequence(std::vector<ExpressionId> parts) {
  return add({.kind = Kind::kSequence, .parts = std::move(parts)});
}

ExpressionId GrammarBuilder::choice(std::vector<ExpressionId> parts) {
  return add({.kind = Kind::kChoice, .parts = std::move(parts)});
}

ExpressionId GrammarBuilder::repeat(ExpressionId part, uint32_t min, uint32_t max) {
  return add({.kind = Kind::kRepeat, .min = min, .max = max, .parts = {part}});
}

ExpressionId GrammarBuilder::call(RuleId rule) {
  return add({.kind = Kind::kCall, .rule = static_cast<uint32_t>(rule)});
}

Status GrammarBuilder::check() const {
  if (too_many_) {
    return Error{ErrorCode::kRefused,
                 fmt::format("the grammar has more than {} parts", limits_.expressions_max),
                 "make it smaller"};
  }
  if (rules_.size() > limits_.rules_max) {
    return Error{ErrorCode::kRefused,
                 fmt::format("the grammar has {} rules; at most {} are taken", rules_.size(),
                             limits_.rules_max),
                 "make it smaller"};
  }
  for (const Rule& rule : rules_) {
    if (!rule.defined) {
      return Error{ErrorCode::kUsage,
                   fmt::format("the rule {} is used and not defined", base::printable(rule.name)),
                   "define it"};
    }
    if (at(rule.body).depth > limits_.depth_max) {
      return Error{ErrorCode::kRefused,
                   fmt::format("the rule {} is nested deeper than {} levels",
                               base::printable(rule.name), limits_.depth_max),
                   "split it into rules"};
    }
  }
  return {};
}

}  // namespace freehold::model
