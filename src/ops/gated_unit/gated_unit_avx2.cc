#include "ops/gated_unit/gated_unit_impl.h"
#include "ops/op_table.h"

namespace freehold::ops {

void gated_unit_avx2(const GatedUnit& task) { gated_unit_body(task); }

}  // namespace freehold::ops
