#include "quant/lanes_avx2.h"
#include "quant/paths.h"
#include "quant/q5_0/q5_0_tile.h"

namespace freehold::quant {

void q5_0_dot_avx2(const PanelDot& task) { dot_tiles<Q50Tile, LanesAvx2>(task); }

}  // namespace freehold::quant
