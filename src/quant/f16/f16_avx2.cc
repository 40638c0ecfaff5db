#include "quant/float_lanes_avx2.h"
#include "quant/paths.h"

namespace freehold::quant {

void f16_dot_avx2(const PanelDot& task) { dot_float<F16Weights, FloatLanesAvx2>(task); }

}  // namespace freehold::quant
