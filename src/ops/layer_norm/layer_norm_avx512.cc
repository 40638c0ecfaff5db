#include "ops/layer_norm/layer_norm_impl.h"
#include "ops/op_table.h"

namespace freehold::ops {

void layer_norm_avx512(const LayerNorm& task) { layer_norm_body(task); }

}  // namespace freehold::ops
