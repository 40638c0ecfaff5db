#include "ops/op_table.h"

namespace freehold::ops {
namespace {

constexpr OpTable kReferences = {
#define FREEHOLD_OP(name, Args) name##_ref,
#include "ops/ops.def"
#undef FREEHOLD_OP
};

}  // namespace

const OpTable& op_table(device::Isa) { return kReferences; }

}  // namespace freehold::ops
