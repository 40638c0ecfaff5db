#include "quant/encoders.h"

namespace freehold::quant {

void f32_encode_row(const float* values, size_t width, std::byte* row) {
  for (size_t i = 0; i < width; ++i) base::store_le(row + 4 * i, values[i]);
}

}  // namespace freehold::quant
