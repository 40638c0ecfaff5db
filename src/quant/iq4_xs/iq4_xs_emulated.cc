#include "quant/iq4_xs/iq4_xs_tile.h"
#include "quant/lanes_emulated.h"
#include "quant/paths.h"

namespace freehold::quant {

void iq4_xs_dot_emulated(const PanelDot& task) { dot_tiles<Iq4XsTile, LanesEmulated>(task); }

}  // namespace freehold::quant
