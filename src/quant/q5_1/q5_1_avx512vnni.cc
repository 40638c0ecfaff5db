#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q5_1/q5_1_tile.h"

namespace freehold::quant {

void q5_1_dot_avx512vnni(const PanelDot& task) { dot_tiles<Q51Tile, LanesAvx512Vnni>(task); }

}  // namespace freehold::quant
