#include "quant/iq4_nl/iq4_nl_tile.h"
#include "quant/lanes_avx2.h"
#include "quant/paths.h"

namespace freehold::quant {

void iq4_nl_dot_avx2(const PanelDot& task) { dot_tiles<Iq4NlTile, LanesAvx2>(task); }

}  // namespace freehold::quant
