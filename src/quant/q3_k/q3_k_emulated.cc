#include "quant/lanes_emulated.h"
#include "quant/paths.h"
#include "quant/q3_k/q3_k_tile.h"

namespace freehold::quant {

void q3_k_dot_emulated(const PanelDot& task) { dot_tiles<Q3KTile, LanesEmulated>(task); }

}  // namespace freehold::quant
