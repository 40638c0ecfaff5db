#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q3_k/q3_k_tile.h"

namespace freehold::quant {

void q3_k_dot_avx512vnni(const PanelDot& task) { dot_tiles<Q3KTile, LanesAvx512Vnni>(task); }

}  // namespace freehold::quant
