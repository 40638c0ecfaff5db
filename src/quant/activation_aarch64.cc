#include "quant/activation_paths.h"

namespace freehold::quant {

QuantiseRowFn fast_quantise_row(device::Isa) { return &quantise_row_ref; }

}  // namespace freehold::quant
