#include "quant/lanes_avx2.h"
#include "quant/paths.h"
#include "quant/q4_0/q4_0_tile.h"

namespace freehold::quant {

void q4_0_dot_avx2(const PanelDot& task) { dot_tiles<Q40Tile, LanesAvx2>(task); }

}  // namespace freehold::quant
