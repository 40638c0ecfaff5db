#pragma once
// The plain reference of section 1 (docs/NUMERICS.md): one block at a time, one value at a time.
// Not fast and not meant to be: every fast path is tested against it, bit for bit. A format gives a
// Layout with its sizes and `unpack`, and gets its lookup decode and its reference dot from here.
// Pure; any thread. Only a format's own NAME.cc includes this.

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/float16.h"
#include "quant/format.h"

namespace freehold::quant {

/// What the rule's second term is: none, minus a sum of minimums, or a sum of activations.
enum class SecondTerm { kNone, kMinimums, kSums };

/// One block as integers and two widened scales. Formats without sub-scales leave `scale` alone.
template <class Layout>
struct PlainBlock {
  static constexpr size_t kSubBlocks = Layout::kValues / Layout::kSubValues;
  int8_t value[Layout::kValues];
  int32_t scale[kSubBlocks];
  int32_t minimum[kSubBlocks];
  float w = 0;
  float v = 0;
};

inline float load_f16(const uint8_t* bytes) {
  return base::float_from_f16(base::load_le<uint16_t>(bytes));
}

/// Splits 16 bytes into 32 nibbles: the low ones are values 0-15, the high ones 16-31; `offset` is
/// taken off each.
inline void unpack_nibbles_32(const uint8_t* bytes, int offset, int8_t* value) {
  for (size_t i = 0; i < 16; ++i) {
    value[i] = static_cast<int8_t>((bytes[i] & 0x0F) - offset);
    value[i + 16] = static_cast<int8_t>((bytes[i] >> 4) - offset);
  }
}

/// Adds bit i of `bits`, times 16, to value i: the fifth bits of Q5_0 and Q5_1.
inline void add_fifth_bits_32(uint32_t bits, int8_t* value) {
  for (size_t i = 0; i < 32; ++i) {
    value[i] = static_cast<int8_t>(value[i] + static_cast<int>((bits >> i) & 1u) * 16);
  }
}

/// The twelve bytes of Q4_K and Q5_K: eight 6-bit scales and eight 6-bit minimums. The first four
/// of each are whole in bytes 0-3 and 4-7; the last four have their low nibbles in bytes 8-11
/// (scale low, minimum high) and their top two bits on top of bytes 0-3 and 4-7.
inline void unpack_scales_6bit(const uint8_t* bytes, int32_t* scale, int32_t* minimum) {
  for (size_t j = 0; j < 4; ++j) {
    scale[j] = bytes[j] & 0x3F;
    minimum[j] = bytes[j + 4] & 0x3F;
    scale[j + 4] = (bytes[j + 8] & 0x0F) | ((bytes[j] >> 6) << 4);
    minimum[j + 4] = (bytes[j + 8] >> 4) | ((bytes[j + 4] >> 6) << 4);
  }
}

/// Decodes `width` values (a multiple of the block) exactly as section 1 says for looked-up rows.
template <class Layout>
void decode_row_plain(const std::byte* row, size_t width, float* out) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(row);
  PlainBlock<Layout> block;
  for (size_t b = 0; b < width / Layout::kValues; ++b) {
    Layout::unpack(bytes + b * Layout::kBytes, block);
    for (size_t i = 0; i < Layout::kValues; ++i) {
      const size_t sub = i / Layout::kSubValues;
      float factor = block.w;
      if constexpr (Layout::kScaled) factor = factor * static_cast<float>(block.scale[sub]);
      float value = factor * static_cast<float>(block.value[i]);
      if constexpr (Layout::kSecondTerm == SecondTerm::kMinimums) {
        value = value - block.v * static_cast<float>(block.minimum[sub]);
      } else if constexpr (Layout::kSecondTerm == SecondTerm::kSums) {
        value = value + block.v;
      }
      out[b * Layout::kValues + i] = value;
    }
  }
}

/// One step of the chain: block times the activations `q` of its group, scale `d`, onto `chain`.
template <class Layout>
float chain_step_plain(const PlainBlock<Layout>& block, const int8_t* q, float d, float chain) {
  int32_t sum = 0;     // S_b
  int32_t second = 0;  // M_b
  for (size_t sub = 0; sub < PlainBlock<Layout>::kSubBlocks; ++sub) {
    int32_t products = 0;
    int32_t activations = 0;
    for (size_t i = sub * Layout::kSubValues; i < (sub + 1) * Layout::kSubValues; ++i) {
      products += static_cast<int32_t>(block.value[i]) * static_cast<int32_t>(q[i]);
      activations += q[i];
    }
    if constexpr (Layout::kScaled) products *= block.scale[sub];
    sum += products;
    if constexpr (Layout::kSecondTerm == SecondTerm::kMinimums) {
      second -= block.minimum[sub] * activations;
    } else {
      second += activations;
    }
  }
  float t = static_cast<float>(sum) * block.w;
  if constexpr (Layout::kSecondTerm != SecondTerm::kNone) {
    t = std::fma(static_cast<float>(second), block.v, t);
  }
  return std::fma(t, d, chain);
}

/// The reference dot: y[column][row] holds the chain while it grows.
template <class Layout>
void dot_plain(const PanelDot& task) {
  PlainBlock<Layout> block;
  for (size_t row = 0; row < task.row_count; ++row) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(task.rows + row * task.row_bytes);
    for (size_t column = 0; column < task.x.columns; ++column) {
      task.y[column * task.y_stride + row] = 0.0f;
    }
    for (size_t b = 0; b < task.x.width / Layout::kValues; ++b) {
      Layout::unpack(bytes + b * Layout::kBytes, block);
      for (size_t column = 0; column < task.x.columns; ++column) {
        float& chain = task.y[column * task.y_stride + row];
        const int8_t* q = task.x.q + column * task.x.q_stride + b * Layout::kValues;
        chain = chain_step_plain<Layout>(block, q, task.x.d[column * task.x.d_stride + b], chain);
      }
    }
  }
}

}  // namespace freehold::quant
