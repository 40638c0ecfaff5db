#pragma once
// Sixteen-entry codebooks of the 4-bit formats: a nibble picks a signed integer.

#include <cstdint>

namespace freehold::quant {

/// IQ4_NL and IQ4_XS: the non-linear grid of the GGUF formats (facts of the format, as the PyPI
/// package `gguf` and llama.cpp publish them under the MIT licence; see NOTICE).
inline constexpr int8_t kIq4Codebook[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                            1,    13,   25,  38,  53,  69,  89,  113};

/// E2M1 values doubled, so that they are integers (OCP Microscaling Formats 1.0, section 5.3.3).
inline constexpr int8_t kDoubledE2m1[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                            0, -1, -2, -3, -4, -6, -8, -12};

}  // namespace freehold::quant
