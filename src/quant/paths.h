#pragma once
// Declares, for every row of formats.def, the functions that the row promises. A format's sources
// include this to define them, format.cc to list them. Nothing else needs it.

#include "quant/format.h"

namespace freehold::quant {

#define FREEHOLD_FORMAT(id, name, type_id, block_values, block_bytes, group) \
  void name##_decode_row(const std::byte* row, size_t width, float* out);    \
  void name##_dot_ref(const PanelDot& task);                                 \
  void name##_dot_emulated(const PanelDot& task);                            \
  void name##_dot_avx2(const PanelDot& task);                                \
  void name##_dot_avx512vnni(const PanelDot& task);                          \
  void name##_dot_amx(const PanelDot& task);
#include "quant/formats.def"
#undef FREEHOLD_FORMAT

/// False where a block's exponent is 255.
bool mxfp4_rows_valid(const std::byte* rows, size_t row_bytes, size_t row_count);
constexpr RowsValidFn rows_valid_of(FormatId id) {
  return id == FormatId::MXFP4 ? &mxfp4_rows_valid : nullptr;
}

}  // namespace freehold::quant
