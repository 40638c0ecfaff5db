#include "ops/op_table.h"
#include "ops/softmax_sum/softmax_sum_impl.h"

namespace freehold::ops {

void softmax_sum_avx2(const SoftmaxSum& task) { softmax_sum_body(task); }

}  // namespace freehold::ops
