#include "quant/lanes_avx2.h"
#include "quant/paths.h"
#include "quant/q2_k/q2_k_tile.h"

namespace freehold::quant {

void q2_k_dot_avx2(const PanelDot& task) { dot_tiles<Q2KTile, LanesAvx2>(task); }

}  // namespace freehold::quant
