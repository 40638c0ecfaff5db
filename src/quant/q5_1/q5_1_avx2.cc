#include "quant/lanes_avx2.h"
#include "quant/paths.h"
#include "quant/q5_1/q5_1_tile.h"

namespace freehold::quant {

void q5_1_dot_avx2(const PanelDot& task) { dot_tiles<Q51Tile, LanesAvx2>(task); }

}  // namespace freehold::quant
