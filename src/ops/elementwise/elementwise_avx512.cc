#include "ops/elementwise/elementwise_impl.h"
#include "ops/op_table.h"

namespace freehold::ops {

void elementwise_avx512(const Elementwise& task) { elementwise_body(task); }

}  // namespace freehold::ops
