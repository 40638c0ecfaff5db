#pragma once
// Rows of f32 into blocks of a weight format: what `freehold quantize` and `convert` write. Each
// format's rule stands in its NAME_encode.cc and gives the bytes that the field's tools give for
// the same values: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, F16 and BF16 those of the PyPI package `gguf`, the
// K formats those of llama.cpp's quantiser without an importance matrix, built without contraction
// of products and sums. Pure; any thread. Values must be finite.

#include <cstddef>

#include "quant/format.h"

namespace freehold::quant {

/// `width` values, a multiple of the format's block, into format.row_bytes(width) bytes.
using EncodeRowFn = void (*)(const float* values, size_t width, std::byte* row);

/// nullptr for formats that nothing here writes (IQ4_NL, IQ4_XS, MXFP4).
EncodeRowFn encoder(FormatId id);

}  // namespace freehold::quant
