#include "quant/lanes_emulated.h"
#include "quant/paths.h"
#include "quant/q8_0/q8_0_tile.h"

namespace freehold::quant {

void q8_0_dot_emulated(const PanelDot& task) { dot_tiles<Q80Tile, LanesEmulated>(task); }

}  // namespace freehold::quant
