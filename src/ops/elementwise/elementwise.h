#pragma once
// One rounded operation per element: residual additions, biases, constant factors, soft caps.
#include <cstddef>

namespace freehold::ops {

enum class ElementwiseKind {
  kAdd,       ///< out = x + y            (residual, bias)
  kScale,     ///< out = x * factor       (embedding, residual and logit multipliers)
  kScaleAdd,  ///< out = fma(factor, x, y) (experts)
  kMultiply,  ///< out = x * y            (scales of one factor a value)
  kCut,       ///< out = relu(x - factor) (sparse activations)
  kSoftCap    ///< out = factor * tanh(x / factor)
};

struct Elementwise {
  ElementwiseKind kind = ElementwiseKind::kAdd;
  const float* x = nullptr;  // [count]
  const float* y = nullptr;  // [count], kAdd, kScaleAdd and kMultiply only
  float factor = 1;
  size_t count = 0;
  float* out = nullptr;  // [count]; may be x or y
};

}  // namespace freehold::ops
