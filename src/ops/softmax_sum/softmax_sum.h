#pragma once
// Softmax over a row of logits, as the sampler and the perplexity need it: exponentials of the
// differences to the maximum and their sum by 32 lanes and a tree, candidates in ascending id.
#include <cstddef>

namespace freehold::ops {

/// p[i] = exp(x[i] - max x), *sum = lanes-and-tree sum of p (docs/NUMERICS.md, sections 2 and 6).
/// x holds neither NaN nor +infinity (a pass that makes one has failed already). A maximum of zero
/// is +0. Where everything is masked, or count is 0: *maximum is -infinity, p and *sum are +0.
struct SoftmaxSum {
  const float* x = nullptr;  // [count]; -infinity marks what is masked (its p is +0)
  size_t count = 0;
  float* p = nullptr;  // [count]; may be x
  float* maximum = nullptr;
  float* sum = nullptr;
};

}  // namespace freehold::ops
