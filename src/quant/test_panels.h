#pragma once
// Random panels and activations for the tests and the micro-benchmark of this room. Not for
// production code. Values, no sharing.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>
#include <vector>

#include "base/float16.h"
#include "base/random.h"
#include "quant/activation.h"
#include "quant/format.h"

namespace freehold::quant {

/// What the bytes of a panel look like.
enum class Fill {
  kPlausible,  ///< Random bytes, scales of a few hundredths.
  kRandom,     ///< Any bytes at all: NaN, infinite and subnormal scales too.
  kZero,       ///< All zero.
  kAllOnes,    ///< Every byte 0xFF but the scales.
  kTiny,       ///< Random bytes, subnormal scales.
  kHuge        ///< Random bytes, the largest scales.
};
inline constexpr Fill kFills[] = {Fill::kPlausible, Fill::kRandom, Fill::kZero,
                                  Fill::kAllOnes,   Fill::kTiny,   Fill::kHuge};

/// Where a block keeps its f16 scales (MXFP4's exponent byte is handled apart).
inline std::vector<size_t> f16_fields(FormatId id) {
  switch (id) {
    case FormatId::Q4_1:
    case FormatId::Q5_1:
    case FormatId::Q4_K:
    case FormatId::Q5_K:
      return {0, 2};
    case FormatId::Q4_0:
    case FormatId::Q5_0:
    case FormatId::Q8_0:
    case FormatId::IQ4_NL:
    case FormatId::IQ4_XS:
      return {0};
    case FormatId::Q2_K:
      return {80, 82};
    case FormatId::Q3_K:
      return {108};
    case FormatId::Q6_K:
      return {208};
    default:
      return {};
  }
}

inline uint16_t scale_bits(Fill fill, base::RandomStream& random) {
  const uint32_t sign = random.below(2) << 15;
  switch (fill) {
    case Fill::kTiny:
      return static_cast<uint16_t>(sign | random.below(0x0400));
    case Fill::kHuge:
      return static_cast<uint16_t>(sign | (0x7800 + random.below(0x0400)));
    default:
      return static_cast<uint16_t>(sign | (0x2400 + random.below(0x0800)));
  }
}

/// Gives a block scales of the wanted size.
inline void set_scales(const Format& format, Fill fill, std::byte* block,
                       base::RandomStream& random) {
  if (format.id == FormatId::MXFP4) {
    const uint32_t exponent = fill == Fill::kTiny   ? random.below(4)
                              : fill == Fill::kHuge ? 240 + random.below(15)
                                                    : 110 + random.below(20);
    block[0] = static_cast<std::byte>(exponent);
  }
  for (const size_t at : f16_fields(format.id)) {
    const uint16_t bits = scale_bits(fill, random);
    std::memcpy(block + at, &bits, sizeof(bits));
  }
}

/// Overwrites the blocks of float formats with numbers of the wanted size.
inline void set_float(const Format& format, Fill fill, std::byte* value,
                      base::RandomStream& random) {
  float number = random.uniform() - 0.5f;
  if (fill == Fill::kTiny) number *= format.id == FormatId::F16 ? 0x1p-16f : 0x1p-127f;
  if (fill == Fill::kHuge) number *= format.id == FormatId::F16 ? 0x1p16f : 0x1p120f;
  const uint16_t half =
      format.id == FormatId::F16 ? base::f16_from_float(number) : base::bf16_from_float(number);
  if (format.id == FormatId::F32) {
    std::memcpy(value, &number, sizeof(number));
  } else {
    std::memcpy(value, &half, sizeof(half));
  }
}

/// Random weights in memory that begins `shift` bytes before the rows and ends exactly with them,
/// so that the address sanitizer sees every byte read beyond.
struct TestPanel {
  std::vector<std::byte> memory;
  size_t row_bytes = 0;
  size_t row_count = 0;
  size_t shift = 0;
  const std::byte* rows() const { return memory.data() + shift; }
};

inline TestPanel make_panel(const Format& format, size_t row_count, size_t width, Fill fill,
                            base::RandomStream& random) {
  TestPanel panel;
  panel.row_bytes = format.row_bytes(width);
  panel.row_count = row_count;
  panel.shift = random.below(3);
  panel.memory.resize(panel.shift + panel.row_bytes * row_count);
  for (std::byte& byte : panel.memory) {
    byte = fill == Fill::kZero      ? std::byte{0}
           : fill == Fill::kAllOnes ? std::byte{0xFF}
                                    : static_cast<std::byte>(random.below(256));
  }
  if (fill == Fill::kRandom || fill == Fill::kZero) return panel;
  std::byte* block = panel.memory.data() + panel.shift;
  for (; block < panel.memory.data() + panel.memory.size(); block += format.block_bytes) {
    if (format.group == ActivationGroup::kFloat) {
      set_float(format, fill, block, random);
    } else {
      set_scales(format, fill, block, random);
    }
  }
  return panel;
}

/// Activations of several columns, prepared by the reference as the format wants them.
struct TestActivations {
  std::vector<float> x;
  std::vector<int8_t> q;
  std::vector<float> d;
  std::vector<int16_t> sums;
  ActivationView view;
};

/// `extreme` makes every q be 127 or -127, with long runs of one sign.
inline TestActivations make_activations(const Format& format, size_t columns, size_t width,
                                        bool extreme, base::RandomStream& random) {
  TestActivations out;
  const bool is_float = format.group == ActivationGroup::kFloat;
  const size_t group = is_float ? 32 : static_cast<size_t>(format.group);
  ActivationView& view = out.view;
  view.columns = columns;
  view.width = width;
  view.x_stride = width + 3;
  view.q_stride = column_stride(width);
  view.d_stride = (width + group - 1) / group;
  view.sums_stride = view.q_stride / 16;
  out.x.resize(columns * view.x_stride);
  for (float& value : out.x) {
    value = random.uniform() - 0.5f;
    if (extreme) value = random.below(300) < 299 ? 1.0f : -1.0f;
  }
  view.x = out.x.data();
  if (is_float) return out;
  out.q.resize(columns * view.q_stride);
  out.d.resize(columns * view.d_stride);
  out.sums.resize(columns * view.sums_stride);
  for (size_t c = 0; c < columns; ++c) {
    quantise_row_ref({out.x.data() + c * view.x_stride, width, format.group,
                      out.q.data() + c * view.q_stride, out.d.data() + c * view.d_stride,
                      out.sums.data() + c * view.sums_stride});
  }
  view.q = out.q.data();
  view.d = out.d.data();
  view.sums = out.sums.data();
  return out;
}

/// What y holds where nothing may write.
inline constexpr float kUntouched = -123.5f;

inline std::vector<float> run_dot(PanelDotFn dot, const TestPanel& panel,
                                  const TestActivations& activations, size_t y_stride) {
  std::vector<float> y(activations.view.columns * y_stride, kUntouched);
  // What comes next is only asked for: even a place that is nobody's does no harm.
  const std::span<const std::byte> next(panel.rows() - (size_t{1} << 40), panel.row_bytes * 3);
  dot({panel.rows(), panel.row_bytes, panel.row_count, activations.view, y.data(), y_stride, next});
  return y;
}

/// How many values differ in their bits. Two NaN are equal whatever their payload, since which
/// operand's payload survives is up to the instruction.
inline size_t count_differences(const std::vector<float>& a, const std::vector<float>& b) {
  size_t count = a.size() == b.size() ? 0 : 1;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (std::bit_cast<uint32_t>(a[i]) != std::bit_cast<uint32_t>(b[i])) ++count;
  }
  return count;
}

}  // namespace freehold::quant
