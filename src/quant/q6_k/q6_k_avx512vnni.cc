#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q6_k/q6_k_tile.h"

namespace freehold::quant {

void q6_k_dot_avx512vnni(const PanelDot& task) { dot_tiles<Q6KTile, LanesAvx512Vnni>(task); }

}  // namespace freehold::quant
