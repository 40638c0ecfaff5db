#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q2_k/q2_k_tile.h"

namespace freehold::quant {

void q2_k_dot_avx512vnni(const PanelDot& task) { dot_tiles<Q2KTile, LanesAvx512Vnni>(task); }

}  // namespace freehold::quant
