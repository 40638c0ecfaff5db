#include "ops/gated_unit/gated_unit.h"
#include "ops/math/functions.h"
#include "ops/op_table.h"

namespace freehold::ops {
namespace {

float activate(GateActivation activation, float x) {
  switch (activation) {
    case GateActivation::kSilu:
      return silu_f32(x);
    case GateActivation::kGeluTanh:
      return gelu_tanh_f32(x);
    case GateActivation::kGeluErf:
      return gelu_erf_f32(x);
    case GateActivation::kRelu:
      return relu_f32(x);
    case GateActivation::kTanh:
      return tanh_f32(x);
  }
  return 0;
}

}  // namespace

void gated_unit_ref(const GatedUnit& task) {
  for (size_t i = 0; i < task.count; ++i) {
    const float activated = activate(task.activation, task.gate[i]);
    task.out[i] = task.up == nullptr ? activated : activated * task.up[i];
  }
}

}  // namespace freehold::ops
