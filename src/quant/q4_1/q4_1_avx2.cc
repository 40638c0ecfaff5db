#include "quant/lanes_avx2.h"
#include "quant/paths.h"
#include "quant/q4_1/q4_1_tile.h"

namespace freehold::quant {

void q4_1_dot_avx2(const PanelDot& task) { dot_tiles<Q41Tile, LanesAvx2>(task); }

}  // namespace freehold::quant
