#include "quant/lanes_avx2.h"
#include "quant/paths.h"
#include "quant/q4_k/q4_k_tile.h"

namespace freehold::quant {

void q4_k_dot_avx2(const PanelDot& task) { dot_tiles<Q4KTile, LanesAvx2>(task); }

}  // namespace freehold::quant
