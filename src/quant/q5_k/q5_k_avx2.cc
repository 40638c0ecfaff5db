#include "quant/lanes_avx2.h"
#include "quant/paths.h"
#include "quant/q5_k/q5_k_tile.h"

namespace freehold::quant {

void q5_k_dot_avx2(const PanelDot& task) { dot_tiles<Q5KTile, LanesAvx2>(task); }

}  // namespace freehold::quant
