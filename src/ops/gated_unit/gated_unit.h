#pragma once
// Gated feed-forward units: out = act(gate) * up (Shazeer, "GLU variants", 2020); without `up` the
// activation alone.
#include <cstddef>

namespace freehold::ops {

enum class GateActivation { kSilu, kGeluTanh, kGeluErf, kRelu, kTanh };

/// out[i] = act(gate[i]) * up[i], act rounded first. out may be gate or up.
struct GatedUnit {
  GateActivation activation = GateActivation::kSilu;
  const float* gate = nullptr;  // [count]
  const float* up = nullptr;    // [count], or nullptr: out[i] = act(gate[i])
  size_t count = 0;
  float* out = nullptr;  // [count]
};

}  // namespace freehold::ops
