#include "quant/lanes_emulated.h"
#include "quant/paths.h"
#include "quant/q5_0/q5_0_tile.h"

namespace freehold::quant {

void q5_0_dot_emulated(const PanelDot& task) { dot_tiles<Q50Tile, LanesEmulated>(task); }

}  // namespace freehold::quant
