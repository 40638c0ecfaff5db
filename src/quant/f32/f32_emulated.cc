#include "quant/float_lanes_emulated.h"
#include "quant/paths.h"

namespace freehold::quant {

void f32_dot_emulated(const PanelDot& task) { dot_float<F32Weights, FloatLanesEmulated>(task); }

}  // namespace freehold::quant
