#include "ops/op_table.h"

namespace freehold::ops {
namespace {

constexpr OpTable kReferences = {
#define FREEHOLD_OP(name, Args) name##_ref,
#include "ops/ops.def"
#undef FREEHOLD_OP
};

#if defined(__x86_64__)
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
#endif

}  // namespace

const OpTable& op_table([[maybe_unused]] device::Isa isa) {
#if defined(__x86_64__)
  if (isa >= device::Isa::kAvx512) return kAvx512Paths;
  if (isa >= device::Isa::kAvx2) return kAvx2Paths;
#endif
  return kReferences;
}

}  // namespace freehold::ops
