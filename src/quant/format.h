#pragma once
// The weight formats: what a block of each looks like and the functions that decode and multiply
// it. One folder per format, one row in formats.def. Formulas: docs/NUMERICS.md, sections 1 and 2.
// Everything here is pure and may be called from any thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "device/isa.h"

namespace freehold::quant {

/// How activations are prepared for a format: left as f32, or quantised in groups of 32 or 256
/// values.
enum class ActivationGroup : uint16_t { kFloat = 0, k32 = 32, k256 = 256 };

/// Activations of a pass's columns as a matrix wants them. For ActivationGroup::kFloat only `x` is
/// used; for the others `q`, `d` and `sums`. Strides count elements between columns.
struct ActivationView {
  size_t columns = 0;
  size_t width = 0;          // values per column
  const float* x = nullptr;  // [columns, width]
  size_t x_stride = 0;
  const int8_t* q = nullptr;  // [columns, width rounded up to a multiple of 256]; padding 0
  size_t q_stride = 0;
  const float* d = nullptr;  // [columns, groups] scale of each group
  size_t d_stride = 0;
  const int16_t* sums = nullptr;  // [columns, padded width / 16] sum of q over each 16 values
  size_t sums_stride = 0;
};

/// Some whole rows of a weight matrix times every column: y[column][row] = chain of section 1 or 2.
struct PanelDot {
  const std::byte* rows = nullptr;  // row_count rows of row_bytes each, unaligned
  size_t row_bytes = 0;
  size_t row_count = 0;  // any number; fast paths work in 16s and handle the tail
  ActivationView x;
  float* y = nullptr;  // y[column * y_stride + row], row from 0 in this panel
  size_t y_stride = 0;
  /// What this thread reads after this panel, as far as it is known: prefetched, never read.
  std::span<const std::byte> next = {};
};

using DecodeRowFn = void (*)(const std::byte* row, size_t width, float* out);
using PanelDotFn = void (*)(const PanelDot& task);
/// False where a row holds what the format forbids (an MXFP4 exponent of 255).
using RowsValidFn = bool (*)(const std::byte* rows, size_t row_bytes, size_t row_count);

enum class FormatId : uint8_t {
#define FREEHOLD_FORMAT(id, name, type_id, block_values, block_bytes, group) id,
#include "quant/formats.def"
#undef FREEHOLD_FORMAT
  kCount
};

struct Format {
  FormatId id;
  std::string_view name;  // as the field writes it: "Q4_K"
  uint32_t type_id;       // GGUF's number
  uint32_t block_values;
  uint32_t block_bytes;
  ActivationGroup group;
  DecodeRowFn decode_row;  // exact lookup decode; width is a multiple of block_values
  PanelDotFn dot_ref;
  PanelDotFn dot_emulated;  // scalar emulation of the fast paths' tile shape
  PanelDotFn dot_avx2;      // nullptr where this build has none
  PanelDotFn dot_avx512;
  PanelDotFn dot_amx;      // nullptr for float formats too
  RowsValidFn rows_valid;  // nullptr: every bit pattern is fine

  /// The path for a rung; the highest one at or below it that exists. The matrix tiles' path has to
  /// prove itself on this processor first (wide_check.h): a wrong one is never used.
  PanelDotFn dot(device::Isa isa) const;
  size_t row_bytes(size_t width) const { return width / block_values * block_bytes; }
};

const Format& format(FormatId id);
/// By GGUF type number; nothing where this build does not know it.
const Format* find_format(uint32_t type_id);
const Format* find_format(std::string_view name);
std::span<const Format> all_formats();

/// The field's name for a GGUF type number that exists but is not supported here ("IQ2_XXS"), for
/// messages; "an unknown type" where GGUF has no such number.
std::string_view known_type_name(uint32_t type_id);

}  // namespace freehold::quant
