#include "quant/lanes_avx512vnni.h"
#include "quant/mxfp4/mxfp4_tile.h"
#include "quant/paths.h"
#include "quant/tiles_amx.h"
#include "quant/wide_dot.h"

namespace freehold::quant {

void mxfp4_dot_amx(const PanelDot& task) {
  if (task.x.columns < kWideFewest) return mxfp4_dot_avx512vnni(task);
  dot_wide<Mxfp4Tile, LanesAvx512Vnni, TilesAmx>(task);
}

}  // namespace freehold::quant
