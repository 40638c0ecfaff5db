#include "quant/activation_paths.h"

namespace freehold::quant {

QuantiseRowFn fast_quantise_row(device::Isa isa) {
  if (isa >= device::Isa::kAvx512) return &quantise_row_avx512;
  if (isa >= device::Isa::kAvx2) return &quantise_row_avx2;
  return &quantise_row_ref;
}

}  // namespace freehold::quant
