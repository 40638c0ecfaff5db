#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q5_0/q5_0_tile.h"

namespace freehold::quant {

void q5_0_dot_avx512vnni(const PanelDot& task) { dot_tiles<Q50Tile, LanesAvx512Vnni>(task); }

}  // namespace freehold::quant
