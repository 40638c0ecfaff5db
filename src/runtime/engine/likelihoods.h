#pragma once
// Logits to the logarithms of shares, for those who ask how sure a model was. Pure.

#include <span>
#include <vector>

#include "runtime/engine/engine.h"

namespace freehold::runtime {

/// Of `chosen`, then of the `count` likeliest tokens, the best first and of equal ones the lower
/// id. logit - ln(sum(exp(logit))), summed in binary64 in ascending id.
std::vector<TokenLikelihood> likelihoods(std::span<const float> logits, TokenId chosen,
                                         uint32_t count);

}  // namespace freehold::runtime
