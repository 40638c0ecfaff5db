#include "quant/lanes_avx2.h"
#include "quant/paths.h"
#include "quant/q3_k/q3_k_tile.h"

namespace freehold::quant {

void q3_k_dot_avx2(const PanelDot& task) { dot_tiles<Q3KTile, LanesAvx2>(task); }

}  // namespace freehold::quant
