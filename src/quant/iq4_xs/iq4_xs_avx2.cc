#include "quant/iq4_xs/iq4_xs_tile.h"
#include "quant/lanes_avx2.h"
#include "quant/paths.h"

namespace freehold::quant {

void iq4_xs_dot_avx2(const PanelDot& task) { dot_tiles<Iq4XsTile, LanesAvx2>(task); }

}  // namespace freehold::quant
