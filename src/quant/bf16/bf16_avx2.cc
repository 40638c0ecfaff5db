#include "quant/float_lanes_avx2.h"
#include "quant/paths.h"

namespace freehold::quant {

void bf16_dot_avx2(const PanelDot& task) { dot_float<Bf16Weights, FloatLanesAvx2>(task); }

}  // namespace freehold::quant
