#include "runtime/engine/likelihoods.h"

#include <algorithm>
#include <numeric>

#include "ops/math/functions64.h"

namespace freehold::runtime {

namespace {

/// Below it a share adds nothing to a sum that holds 1.
constexpr double kLeastExponent = -1000;

}  // namespace

std::vector<TokenLikelihood> likelihoods(std::span<const float> logits, TokenId chosen,
                                         uint32_t count) {
  const auto at = [&](size_t token) { return static_cast<double>(logits[token]); };
  const double maximum =
      at(static_cast<size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
  double sum = 0;
  for (size_t token = 0; token < logits.size(); ++token) {
    sum += ops::exp2_f64(std::max((at(token) - maximum) / ops::kLn2, kLeastExponent));
  }
  const double whole = maximum + ops::log2_f64(sum) * ops::kLn2;
  std::vector<TokenLikelihood> result;
  result.push_back({chosen, at(static_cast<size_t>(chosen)) - whole});
  std::vector<TokenId> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto end = order.begin() + std::min<std::ptrdiff_t>(count, std::ssize(order));
  std::partial_sort(order.begin(), end, order.end(), [&](TokenId left, TokenId right) {
    const float a = logits[static_cast<size_t>(left)];
    const float b = logits[static_cast<size_t>(right)];
    return a != b ? a > b : left < right;
  });
  for (auto token = order.begin(); token != end; ++token) {
    result.push_back({*token, at(static_cast<size_t>(*token)) - whole});
  }
  return result;
}

}  // namespace freehold::runtime
