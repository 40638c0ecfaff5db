// F32: binary32 values, little-endian. Activations stay f32 (docs/NUMERICS.md, section 2).

#include "base/bytes.h"
#include "base/float16.h"
#include "quant/paths.h"
#include "quant/plain_float.h"

namespace freehold::quant {
namespace {

float widen(const std::byte* row, size_t i) { return base::load_le<float>(row + 4 * i); }

}  // namespace

void f32_decode_row(const std::byte* row, size_t width, float* out) {
  for (size_t i = 0; i < width; ++i) out[i] = widen(row, i);
}

void f32_dot_ref(const PanelDot& task) { dot_plain_float(task, widen); }

}  // namespace freehold::quant
