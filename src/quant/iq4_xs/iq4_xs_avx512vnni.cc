#include "quant/iq4_xs/iq4_xs_tile.h"
#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"

namespace freehold::quant {

void iq4_xs_dot_avx512vnni(const PanelDot& task) { dot_tiles<Iq4XsTile, LanesAvx512Vnni>(task); }

}  // namespace freehold::quant
