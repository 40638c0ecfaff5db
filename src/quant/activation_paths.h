#pragma once
// The paths behind quantise_row(isa), for activation.cc and the files that define them. Not for
// other rooms.

#include "quant/activation.h"

namespace freehold::quant {

/// The path for a rung on this build's processor; the reference where there is nothing faster.
QuantiseRowFn fast_quantise_row(device::Isa isa);

bool quantise_row_avx2(const QuantiseRow& task);
bool quantise_row_avx512(const QuantiseRow& task);

}  // namespace freehold::quant
