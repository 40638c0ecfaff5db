#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q5_1/q5_1_tile.h"
#include "quant/tiles_amx.h"
#include "quant/wide_dot.h"

namespace freehold::quant {

void q5_1_dot_amx(const PanelDot& task) {
  if (task.x.columns < kWideFewest) return q5_1_dot_avx512vnni(task);
  dot_wide<Q51Tile, LanesAvx512Vnni, TilesAmx>(task);
}

}  // namespace freehold::quant
