#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q4_1/q4_1_tile.h"

namespace freehold::quant {

void q4_1_dot_avx512vnni(const PanelDot& task) { dot_tiles<Q41Tile, LanesAvx512Vnni>(task); }

}  // namespace freehold::quant
