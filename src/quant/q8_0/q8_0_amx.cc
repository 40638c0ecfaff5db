#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q8_0/q8_0_tile.h"
#include "quant/tiles_amx.h"
#include "quant/wide_dot.h"

namespace freehold::quant {

void q8_0_dot_amx(const PanelDot& task) {
  if (task.x.columns < kWideFewest) return q8_0_dot_avx512vnni(task);
  dot_wide<Q80Tile, LanesAvx512Vnni, TilesAmx>(task);
}

}  // namespace freehold::quant
