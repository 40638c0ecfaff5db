#include "quant/float_lanes_emulated.h"
#include "quant/paths.h"

namespace freehold::quant {

void bf16_dot_emulated(const PanelDot& task) { dot_float<Bf16Weights, FloatLanesEmulated>(task); }

}  // namespace freehold::quant
