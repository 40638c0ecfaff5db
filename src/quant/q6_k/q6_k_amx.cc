#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q6_k/q6_k_tile.h"
#include "quant/tiles_amx.h"
#include "quant/wide_dot.h"

namespace freehold::quant {

void q6_k_dot_amx(const PanelDot& task) {
  if (task.x.columns < kWideFewest) return q6_k_dot_avx512vnni(task);
  dot_wide<Q6KTile, LanesAvx512Vnni, TilesAmx>(task);
}

}  // namespace freehold::quant
