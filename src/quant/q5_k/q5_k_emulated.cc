#include "quant/lanes_emulated.h"
#include "quant/paths.h"
#include "quant/q5_k/q5_k_tile.h"

namespace freehold::quant {

void q5_k_dot_emulated(const PanelDot& task) { dot_tiles<Q5KTile, LanesEmulated>(task); }

}  // namespace freehold::quant
