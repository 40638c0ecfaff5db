#include "quant/lanes_emulated.h"
#include "quant/paths.h"
#include "quant/q4_0/q4_0_tile.h"

namespace freehold::quant {

void q4_0_dot_emulated(const PanelDot& task) { dot_tiles<Q40Tile, LanesEmulated>(task); }

}  // namespace freehold::quant
