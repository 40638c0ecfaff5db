#include "device/isa_ladder.h"

// ARMv8 has hardware fma in every processor; only the references run there so far.

namespace freehold::device {

namespace {

std::string missing_here(Isa rung) { return missing_for(rung, {}, false); }

}  // namespace

std::string missing_for(Isa rung, const CpuReading&, bool) {
  return rung == Isa::kScalar ? "" : "an x86-64 processor";
}

Isa highest_rung(const CpuReading&, bool) { return Isa::kScalar; }

Isa best_isa() { return Isa::kScalar; }

Result<Isa> parse_isa(std::string_view name) { return choose_rung(name, best_isa(), missing_here); }

}  // namespace freehold::device
