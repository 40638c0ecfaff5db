// F16: IEEE binary16 values, little-endian; subnormals widen exactly. Activations stay f32
// (docs/NUMERICS.md, section 2).

#include "base/bytes.h"
#include "base/float16.h"
#include "quant/paths.h"
#include "quant/plain_float.h"

namespace freehold::quant {
namespace {

float widen(const std::byte* row, size_t i) {
  return base::float_from_f16(base::load_le<uint16_t>(row + 2 * i));
}

}  // namespace

void f16_decode_row(const std::byte* row, size_t width, float* out) {
  for (size_t i = 0; i < width; ++i) out[i] = widen(row, i);
}

void f16_dot_ref(const PanelDot& task) { dot_plain_float(task, widen); }

}  // namespace freehold::quant
