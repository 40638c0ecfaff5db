#include "model/grammar/decimal_range.h"

#include <algorithm>
#include <vector>

#include "base/text.h"
#include "model/grammar/json_text.h"

namespace freehold::model {

namespace {

using ExpressionId = GrammarBuilder::ExpressionId;

constexpr uint32_t kDigitsMax = 16;
constexpr uint64_t kWholeMax = 9'999'999'999'999'999;

/// Digits behind the point, held between bounds as long as those are tight: their digits so far are
/// the bound's own.
class Fraction {
 public:
  struct Bound {
    const std::string* digits = nullptr;  // nullptr: not tight
    bool open = false;
  };
  explicit Fraction(GrammarBuilder& builder) : builder_(builder) {}

  /// The point and its digits, or nothing where that is inside the bounds.
  ExpressionId from_point(Bound low, Bound high) {
    std::vector<ExpressionId> choices{
        builder_.sequence({builder_.text("."), digits(0, low, high)})};
    if (may_end(0, low, high)) choices.push_back(builder_.nothing());
    return builder_.choice(std::move(choices));
  }

 private:
  static bool zeros_from(const Bound& bound, size_t at) { return at >= bound.digits->size(); }

  static bool may_end(size_t at, const Bound& low, const Bound& high) {
    if (low.digits != nullptr && (!zeros_from(low, at) || low.open)) return false;
    return high.digits == nullptr || !zeros_from(high, at) || !high.open;
  }

  ExpressionId digit(int low, int high) {
    return builder_.bytes(static_cast<uint8_t>('0' + low), static_cast<uint8_t>('0' + high));
  }

  ExpressionId after(size_t at, Bound low, Bound high) {  // NOLINT(misc-no-recursion)
    if (low.digits == nullptr && high.digits == nullptr) {
      return builder_.repeat(digit(0, 9), 0, kDigitsMax);
    }
    const size_t length = std::max(low.digits == nullptr ? 0 : low.digits->size(),
                                   high.digits == nullptr ? 0 : high.digits->size());
    if (at < length) {
      const ExpressionId more = digits(at, low, high);
      return may_end(at, low, high) ? builder_.optional(more) : more;
    }
    // The bounds' own digits are over: what follows is zeros, or beyond a tight lower bound.
    if (high.digits != nullptr) {
      const bool equal_allowed = !high.open && (low.digits == nullptr || !low.open);
      return equal_allowed ? builder_.repeat(digit(0, 0), 0, kDigitsMax) : builder_.never();
    }
    if (!low.open) return builder_.repeat(digit(0, 9), 0, kDigitsMax);
    return builder_.sequence({builder_.repeat(digit(0, 0), 0, kDigitsMax), digit(1, 9),
                              builder_.repeat(digit(0, 9), 0, kDigitsMax)});
  }

  /// At least one digit.
  ExpressionId digits(size_t at, Bound low, Bound high) {  // NOLINT(misc-no-recursion)
    const auto own = [at](const Bound& bound, int otherwise) {
      if (bound.digits == nullptr) return otherwise;
      return at < bound.digits->size() ? (*bound.digits)[at] - '0' : 0;
    };
    const int first = own(low, 0);
    const int last = own(high, 9);
    std::vector<ExpressionId> choices;
    // Digits that leave both bounds go on alike.
    const int free_first = low.digits == nullptr ? first : first + 1;
    const int free_last = high.digits == nullptr ? last : last - 1;
    if (free_first <= free_last) {
      choices.push_back(builder_.sequence({digit(free_first, free_last), after(at + 1, {}, {})}));
    }
    const size_t length = std::max(low.digits == nullptr ? 0 : low.digits->size(),
                                   high.digits == nullptr ? 0 : high.digits->size());
    for (const int tight : {first, last}) {
      const bool keeps_low = low.digits != nullptr && tight == first;
      const bool keeps_high = high.digits != nullptr && tight == last;
      if ((!keeps_low && !keeps_high) || first > last) continue;
      if (tight == last && first == last && !choices.empty() && keeps_low && keeps_high) continue;
      const Bound next_low = keeps_low ? low : Bound{};
      const Bound next_high = keeps_high ? high : Bound{};
      // Past the bounds' digits one more zero is the last that is looked at.
      const ExpressionId rest =
          at >= length ? past_end(next_low, next_high) : after(at + 1, next_low, next_high);
      choices.push_back(builder_.sequence({digit(tight, tight), rest}));
    }
    return builder_.choice(std::move(choices));
  }

  ExpressionId past_end(const Bound& low, const Bound& high) {
    return after(std::max(low.digits == nullptr ? 0 : low.digits->size(),
                          high.digits == nullptr ? 0 : high.digits->size()),
                 low, high);
  }

  GrammarBuilder& builder_;
};

/// Numbers without a sign from `low` to `high` (nothing: without end).
ExpressionId magnitudes_between(GrammarBuilder& builder, const Decimal& low, bool low_open,
                                const Decimal* high, bool high_open) {
  Fraction fraction(builder);
  const Fraction::Bound from{&low.fraction, low_open};
  const auto whole = [&](uint64_t value) { return builder.text(std::to_string(value)); };
  if (high == nullptr) {
    std::vector<ExpressionId> choices{
        builder.sequence({whole(low.whole), fraction.from_point(from, {})})};
    if (low.whole < kWholeMax) {
      choices.push_back(builder.sequence(
          {integer_range(builder, static_cast<int64_t>(low.whole + 1), std::nullopt),
           fraction.from_point({}, {})}));
    }
    return builder.choice(std::move(choices));
  }
  const Fraction::Bound to{&high->fraction, high_open};
  if (low.whole > high->whole) return builder.never();
  if (low.whole == high->whole) {
    if (low.fraction > high->fraction) return builder.never();
    return builder.sequence({whole(low.whole), fraction.from_point(from, to)});
  }
  std::vector<ExpressionId> choices{
      builder.sequence({whole(low.whole), fraction.from_point(from, {})}),
      builder.sequence({whole(high->whole), fraction.from_point({}, to)})};
  if (high->whole - low.whole > 1) {
    choices.push_back(builder.sequence({integer_range(builder, static_cast<int64_t>(low.whole + 1),
                                                      static_cast<int64_t>(high->whole - 1)),
                                        fraction.from_point({}, {})}));
  }
  return builder.choice(std::move(choices));
}

}  // namespace

std::optional<DecimalBound> decimal_bound(double value, bool open) {
  std::string text = base::shortest(value);
  DecimalBound bound{.negative = text.starts_with('-'), .open = open};
  if (bound.negative) text.erase(0, 1);
  if (text.find_first_of("eEin") != std::string::npos) return std::nullopt;
  const size_t point = std::min(text.find('.'), text.size());
  const auto whole = base::parse_unsigned(text.substr(0, point));
  if (!whole.ok() || *whole >= kWholeMax) return std::nullopt;
  bound.value.whole = *whole;
  bound.value.fraction = point < text.size() ? text.substr(point + 1) : "";
  while (bound.value.fraction.ends_with('0')) bound.value.fraction.pop_back();
  if (bound.value.fraction.size() > kDigitsMax) return std::nullopt;
  if (bound.value.whole == 0 && bound.value.fraction.empty()) bound.negative = false;
  return bound;
}

ExpressionId decimal_range(GrammarBuilder& builder, const std::optional<DecimalBound>& low,
                           const std::optional<DecimalBound>& high) {
  const Decimal zero;
  std::vector<ExpressionId> choices;
  if (!high || !high->negative) {
    const bool positive = low && !low->negative;
    choices.push_back(magnitudes_between(builder, positive ? low->value : zero,
                                         positive && low->open, high ? &high->value : nullptr,
                                         high && high->open));
  }
  if (!low || low->negative) {
    const bool bounded = high && high->negative;
    choices.push_back(builder.sequence(
        {builder.text("-"),
         magnitudes_between(builder, bounded ? high->value : zero, bounded ? high->open : true,
                            low ? &low->value : nullptr, low && low->open)}));
  }
  return builder.choice(std::move(choices));
}

}  // namespace freehold::model
