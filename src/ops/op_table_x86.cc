#include "ops/op_table.h"

namespace freehold::ops {
namespace {

constexpr OpTable kReferences = {
#define FREEHOLD_OP(name, Args) name##_ref,
#include "ops/ops.def"
#undef FREEHOLD_OP
};

constexpr OpTable kAvx2Paths = {
#define FREEHOLD_OP(name, Args) name##_avx2,
#include "ops/ops.def"
#undef FREEHOLD_OP
};

constexpr OpTable kAvx512Paths = {
#define FREEHOLD_OP(name, Args) name##_avx512,
#include "ops/ops.def"
#undef FREEHOLD_OP
};

}  // namespace

const OpTable& op_table(device::Isa isa) {
  if (isa >= device::Isa::kAvx512) return kAvx512Paths;
  if (isa >= device::Isa::kAvx2) return kAvx2Paths;
  return kReferences;
}

}  // namespace freehold::ops
