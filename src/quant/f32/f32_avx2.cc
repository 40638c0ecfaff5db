#include "quant/float_lanes_avx2.h"
#include "quant/paths.h"

namespace freehold::quant {

void f32_dot_avx2(const PanelDot& task) { dot_float<F32Weights, FloatLanesAvx2>(task); }

}  // namespace freehold::quant
