#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q3_k/q3_k_tile.h"
#include "quant/tiles_amx.h"
#include "quant/wide_dot.h"

namespace freehold::quant {

void q3_k_dot_amx(const PanelDot& task) {
  if (task.x.columns < kWideFewest) return q3_k_dot_avx512vnni(task);
  dot_wide<Q3KTile, LanesAvx512Vnni, TilesAmx>(task);
}

}  // namespace freehold::quant
