#pragma once
// Activations made ready for a matrix: quantised once per group size and pass (docs/NUMERICS.md,
// section 1), or only checked for a float format. NaN and infinity are found here.

#include <cstddef>
#include <cstdint>

#include "device/isa.h"
#include "quant/format.h"

namespace freehold::quant {

/// One column's row to quantise. `q` has room for padded_width(width) values, `d` for width / group
/// rounded up, `sums` for padded_width(width) / 16; padding is written as zeros.
struct QuantiseRow {
  const float* x = nullptr;  // [width]
  size_t width =
      0;  // a multiple of 32; a short last group of 256 is allowed (its d covers what is there)
  ActivationGroup group = ActivationGroup::k32;
  int8_t* q = nullptr;
  float* d = nullptr;
  int16_t* sums = nullptr;
};

/// Returns false where a value of the row is NaN or infinite; the outputs are then all zero.
using QuantiseRowFn = bool (*)(const QuantiseRow& task);
bool quantise_row_ref(const QuantiseRow& task);
QuantiseRowFn quantise_row(device::Isa isa);

/// False where a value of x is NaN or infinite, looking at exponent bits only.
bool all_finite(const float* x, size_t width);

/// Values per column in `q`: width rounded up to a multiple of 256.
constexpr size_t padded_width(size_t width) { return (width + 255) / 256 * 256; }

/// A good distance between columns of `q`: an odd number of cache lines, so that the columns of a
/// group do not meet in one set of the first-level cache.
constexpr size_t column_stride(size_t width) { return padded_width(width) + 64; }

}  // namespace freehold::quant
