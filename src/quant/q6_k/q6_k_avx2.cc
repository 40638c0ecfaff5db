#include "quant/lanes_avx2.h"
#include "quant/paths.h"
#include "quant/q6_k/q6_k_tile.h"

namespace freehold::quant {

void q6_k_dot_avx2(const PanelDot& task) { dot_tiles<Q6KTile, LanesAvx2>(task); }

}  // namespace freehold::quant
