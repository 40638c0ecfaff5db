#pragma once
// The body of gated_unit's fast paths, compiled once per instruction set. Include only from them.

#include "ops/gated_unit/gated_unit.h"
#include "ops/math/functions.h"
#include "ops/math/tiles.h"

namespace freehold::ops {

[[gnu::always_inline]] static inline void gated_unit_body(const GatedUnit& task) {
  const auto run = [&task](auto activate) {
    if (task.up == nullptr) return map_tiles(task.gate, task.count, task.out, activate);
    map_tiles(task.gate, task.up, task.count, task.out,
              [activate](float gate, float up) { return activate(gate) * up; });
  };
  switch (task.activation) {
    case GateActivation::kSilu:
      return run([](float x) { return silu_f32(x); });
    case GateActivation::kGeluTanh:
      return run([](float x) { return gelu_tanh_f32(x); });
    case GateActivation::kGeluErf:
      return run([](float x) { return gelu_erf_f32(x); });
    case GateActivation::kRelu:
      return run([](float x) { return relu_f32(x); });
    case GateActivation::kTanh:
      return run([](float x) { return tanh_f32(x); });
  }
}

}  // namespace freehold::ops
