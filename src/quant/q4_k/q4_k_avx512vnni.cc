#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q4_k/q4_k_tile.h"

namespace freehold::quant {

void q4_k_dot_avx512vnni(const PanelDot& task) { dot_tiles<Q4KTile, LanesAvx512Vnni>(task); }

}  // namespace freehold::quant
