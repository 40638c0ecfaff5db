#include "quant/float_lanes_emulated.h"
#include "quant/paths.h"

namespace freehold::quant {

void f16_dot_emulated(const PanelDot& task) { dot_float<F16Weights, FloatLanesEmulated>(task); }

}  // namespace freehold::quant
