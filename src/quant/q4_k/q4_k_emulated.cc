#include "quant/lanes_emulated.h"
#include "quant/paths.h"
#include "quant/q4_k/q4_k_tile.h"

namespace freehold::quant {

void q4_k_dot_emulated(const PanelDot& task) { dot_tiles<Q4KTile, LanesEmulated>(task); }

}  // namespace freehold::quant
