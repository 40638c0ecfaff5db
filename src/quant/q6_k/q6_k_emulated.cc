#include "quant/lanes_emulated.h"
#include "quant/paths.h"
#include "quant/q6_k/q6_k_tile.h"

namespace freehold::quant {

void q6_k_dot_emulated(const PanelDot& task) { dot_tiles<Q6KTile, LanesEmulated>(task); }

}  // namespace freehold::quant
