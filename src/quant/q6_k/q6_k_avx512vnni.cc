#include "quant/lanes_avx512vnni.h"
#include "quant/paths.h"
#include "quant/q6_k/q6_k_rows_avx512vnni.h"
#include "quant/q6_k/q6_k_tile.h"

namespace freehold::quant {

void q6_k_dot_avx512vnni(const PanelDot& task) {
  if (task.x.columns == 1) return dot_rows<Q6KRows>(task);
  dot_tiles<Q6KTile, LanesAvx512Vnni>(task);
}

}  // namespace freehold::quant
