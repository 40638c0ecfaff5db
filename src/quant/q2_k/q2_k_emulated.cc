#include "quant/lanes_emulated.h"
#include "quant/paths.h"
#include "quant/q2_k/q2_k_tile.h"

namespace freehold::quant {

void q2_k_dot_emulated(const PanelDot& task) { dot_tiles<Q2KTile, LanesEmulated>(task); }

}  // namespace freehold::quant
