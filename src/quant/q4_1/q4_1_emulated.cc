#include "quant/lanes_emulated.h"
#include "quant/paths.h"
#include "quant/q4_1/q4_1_tile.h"

namespace freehold::quant {

void q4_1_dot_emulated(const PanelDot& task) { dot_tiles<Q41Tile, LanesEmulated>(task); }

}  // namespace freehold::quant
