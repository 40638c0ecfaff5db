#include "ops/op_table.h"
#include "ops/rms_norm/rms_norm_impl.h"

namespace freehold::ops {

void rms_norm_avx2(const RmsNorm& task) { rms_norm_body(task); }

}  // namespace freehold::ops
