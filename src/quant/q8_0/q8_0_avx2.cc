#include "quant/lanes_avx2.h"
#include "quant/paths.h"
#include "quant/q8_0/q8_0_tile.h"

namespace freehold::quant {

void q8_0_dot_avx2(const PanelDot& task) { dot_tiles<Q80Tile, LanesAvx2>(task); }

}  // namespace freehold::quant
