#include "quant/encoders.h"

namespace freehold::quant {

namespace {

/// The nearest integer, halves away from 0; `value` within -127 … 127.
int8_t nearest_away(float value) {
  const int whole = static_cast<int>(value);
  const float left = value - static_cast<float>(whole);
  return static_cast<int8_t>(whole + (left >= 0.5f ? 1 : 0) - (left <= -0.5f ? 1 : 0));
}

}  // namespace

/// The value farthest from 0 becomes 127 or -127; halves away from 0.
void q8_0_encode_row(const float* values, size_t width, std::byte* row) {
  encode_blocks<32, 34>(values, width, row, [](std::span<const float, 32> x, uint8_t* bytes) {
    const float d = std::fabs(farthest(x)) / 127.0f;
    const float per_value = inverse(d);
    store_f16(bytes, d);
    for (size_t i = 0; i < 32; ++i) {
      bytes[2 + i] = static_cast<uint8_t>(nearest_away(x[i] * per_value));
    }
  });
}

}  // namespace freehold::quant
