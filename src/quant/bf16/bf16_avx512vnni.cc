#include "quant/float_lanes_avx512vnni.h"
#include "quant/paths.h"

namespace freehold::quant {

void bf16_dot_avx512vnni(const PanelDot& task) { dot_float<Bf16Weights, FloatLanesAvx512>(task); }

}  // namespace freehold::quant
