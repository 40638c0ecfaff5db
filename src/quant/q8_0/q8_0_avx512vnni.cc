#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q8_0/q8_0_tile.h"

namespace freehold::quant {

void q8_0_dot_avx512vnni(const PanelDot& task) { dot_tiles<Q80Tile, LanesAvx512Vnni>(task); }

}  // namespace freehold::quant
