#pragma once
// Which instruction sets this processor has and which the user allows. Not a dispatch: rooms keep
// their own tables of functions per Isa (quant/format.h, ops/op_table.h).

#include <string>
#include <string_view>

#include "base/result.h"

namespace freehold::device {

/// Rungs of the ladder, each including the ones before. The bits never depend on the rung.
enum class Isa {
  kScalar,  ///< The references, plain C++ with hardware fma.
  kAvx2,    ///< x86-64-v3.
  kAvx512,  ///< x86-64-v4 (F, BW, CD, DQ, VL) with VNNI.
  kAmx  ///< The above with AMX int8 tiles; uses kAvx512's functions where an operation has none.
};

std::string_view isa_name(Isa isa);

/// The highest rung of this processor and operating system. Pure after the first call; any thread.
Isa best_isa();

/// `--isa NAME`: the rung named, or kUsage with the list. Asking for more than the processor has is
/// kRefused and names what is missing.
Result<Isa> parse_isa(std::string_view name);

}  // namespace freehold::device
