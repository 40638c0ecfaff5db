#include "quant/encoders.h"

namespace freehold::quant {

void f16_encode_row(const float* values, size_t width, std::byte* row) {
  for (size_t i = 0; i < width; ++i) base::store_le(row + 2 * i, base::f16_from_float(values[i]));
}

}  // namespace freehold::quant
