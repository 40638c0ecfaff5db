#include "quant/lanes_avx2.h"
#include "quant/mxfp4/mxfp4_tile.h"
#include "quant/paths.h"

namespace freehold::quant {

void mxfp4_dot_avx2(const PanelDot& task) { dot_tiles<Mxfp4Tile, LanesAvx2>(task); }

}  // namespace freehold::quant
