#include "quant/lanes_emulated.h"
#include "quant/paths.h"
#include "quant/q5_1/q5_1_tile.h"

namespace freehold::quant {

void q5_1_dot_emulated(const PanelDot& task) { dot_tiles<Q51Tile, LanesEmulated>(task); }

}  // namespace freehold::quant
