#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q4_0/q4_0_tile.h"

namespace freehold::quant {

void q4_0_dot_avx512vnni(const PanelDot& task) { dot_tiles<Q40Tile, LanesAvx512Vnni>(task); }

}  // namespace freehold::quant
