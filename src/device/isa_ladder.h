#pragma once
// How a processor's description becomes a rung of the ladder: pure, so that tests can ask about
// machines that are not here. Not what rooms use: that is device/isa.h.

#include <string>

#include "device/cpu_floor.h"
#include "device/isa.h"

namespace freehold::device {

/// What `rung` needs beyond the rungs below it and `cpu` lacks: "VNNI, AVX-512 state saved by the
/// operating system". Empty where nothing is missing. kScalar needs nothing.
/// `tiles_permitted`: the operating system lets this process use tile registers.
std::string missing_for(Isa rung, const CpuReading& cpu, bool tiles_permitted);

/// The highest rung of which nothing is missing, nor of any rung below it.
Isa highest_rung(const CpuReading& cpu, bool tiles_permitted);

/// The rung named `name`, if a machine whose highest is `best` may use it; errors as parse_isa.
/// `missing` says what that machine lacks for a rung.
Result<Isa> choose_rung(std::string_view name, Isa best, std::string (*missing)(Isa));

}  // namespace freehold::device
