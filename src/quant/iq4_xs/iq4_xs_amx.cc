#include "quant/iq4_xs/iq4_xs_tile.h"
#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/tiles_amx.h"
#include "quant/wide_dot.h"

namespace freehold::quant {

void iq4_xs_dot_amx(const PanelDot& task) {
  if (task.x.columns < kWideFewest) return iq4_xs_dot_avx512vnni(task);
  dot_wide<Iq4XsTile, LanesAvx512Vnni, TilesAmx>(task);
}

}  // namespace freehold::quant
