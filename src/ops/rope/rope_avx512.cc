#include "ops/op_table.h"
#include "ops/rope/rope_impl.h"

namespace freehold::ops {

void rope_avx512(const Rope& task) { rope_body(task); }

}  // namespace freehold::ops
