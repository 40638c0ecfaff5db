#include "quant/float_lanes_avx512vnni.h"
#include "quant/paths.h"

namespace freehold::quant {

void f16_dot_avx512vnni(const PanelDot& task) { dot_float<F16Weights, FloatLanesAvx512>(task); }

}  // namespace freehold::quant
