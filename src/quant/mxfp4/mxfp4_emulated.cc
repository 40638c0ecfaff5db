#include "quant/lanes_emulated.h"
#include "quant/mxfp4/mxfp4_tile.h"
#include "quant/paths.h"

namespace freehold::quant {

void mxfp4_dot_emulated(const PanelDot& task) { dot_tiles<Mxfp4Tile, LanesEmulated>(task); }

}  // namespace freehold::quant
