#pragma once
// Numbers between two bounds as expressions, exactly, without exponents. Inside the folder only.

#include <optional>
#include <string>

#include "model/grammar/grammar.h"

namespace freehold::model {

/// A decimal number without its sign; no digits of `fraction` end with 0.
struct Decimal {
  uint64_t whole = 0;
  std::string fraction{};
};

struct DecimalBound {
  bool negative = false;
  Decimal value{};
  bool open = false;  // the bound itself is outside
};

/// `value` as it is written shortest; nothing where that takes an exponent or 16 digits and more.
std::optional<DecimalBound> decimal_bound(double value, bool open);

GrammarBuilder::ExpressionId decimal_range(GrammarBuilder& builder,
                                           const std::optional<DecimalBound>& low,
                                           const std::optional<DecimalBound>& high);

}  // namespace freehold::model
