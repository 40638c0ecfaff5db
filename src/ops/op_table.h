#pragma once
// The operations that are not matrix products, one folder each, one row each in ops.def. Every
// operation takes one argument struct, returns nothing, allocates nothing and calls no libm; the
// bits of every path equal those of NAME_ref. Pure; any thread.

#include "device/isa.h"

namespace freehold::ops {

#define FREEHOLD_OP(name, Args)  \
  struct Args;                   \
  void name##_ref(const Args&);  \
  void name##_avx2(const Args&); \
  void name##_avx512(const Args&);
#include "ops/ops.def"
#undef FREEHOLD_OP

/// One function per operation for one rung of the instruction-set ladder.
struct OpTable {
#define FREEHOLD_OP(name, Args) void (*name)(const Args&);
#include "ops/ops.def"
#undef FREEHOLD_OP
};

/// The table of a rung; kAmx uses kAvx512's, and processors that are not x86-64 only the
/// references.
const OpTable& op_table(device::Isa isa);

}  // namespace freehold::ops
