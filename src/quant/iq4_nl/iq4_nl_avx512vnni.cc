#include "quant/iq4_nl/iq4_nl_tile.h"
#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"

namespace freehold::quant {

void iq4_nl_dot_avx512vnni(const PanelDot& task) { dot_tiles<Iq4NlTile, LanesAvx512Vnni>(task); }

}  // namespace freehold::quant
