#include "quant/lanes_avx512vnni.h"
#include "quant/mxfp4/mxfp4_tile.h"
#include "quant/paths.h"

namespace freehold::quant {

void mxfp4_dot_avx512vnni(const PanelDot& task) { dot_tiles<Mxfp4Tile, LanesAvx512Vnni>(task); }

}  // namespace freehold::quant
