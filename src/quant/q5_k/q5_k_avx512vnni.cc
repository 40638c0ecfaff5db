#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q5_k/q5_k_tile.h"

namespace freehold::quant {

void q5_k_dot_avx512vnni(const PanelDot& task) { dot_tiles<Q5KTile, LanesAvx512Vnni>(task); }

}  // namespace freehold::quant
