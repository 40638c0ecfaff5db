#include "quant/iq4_nl/iq4_nl_tile.h"
#include "quant/lanes_emulated.h"
#include "quant/paths.h"

namespace freehold::quant {

void iq4_nl_dot_emulated(const PanelDot& task) { dot_tiles<Iq4NlTile, LanesEmulated>(task); }

}  // namespace freehold::quant
