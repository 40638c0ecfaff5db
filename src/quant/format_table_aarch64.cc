// The table of formats without fast paths: ARMv8 has none yet.

#include <array>

#include "quant/format.h"
#include "quant/paths.h"

namespace freehold::quant {
namespace {

constexpr std::array<Format, static_cast<size_t>(FormatId::kCount)> kFormats = {{
#define FREEHOLD_FORMAT(id, name, type_id, block_values, block_bytes, group) \
  {FormatId::id,                                                             \
   #id,                                                                      \
   type_id,                                                                  \
   block_values,                                                             \
   block_bytes,                                                              \
   ActivationGroup::group,                                                   \
   &name##_decode_row,                                                       \
   &name##_dot_ref,                                                          \
   &name##_dot_emulated,                                                     \
   nullptr,                                                                  \
   nullptr,                                                                  \
   nullptr,                                                                  \
   rows_valid_of(FormatId::id)},
#include "quant/formats.def"
#undef FREEHOLD_FORMAT
}};

}  // namespace

std::span<const Format> all_formats() { return kFormats; }

}  // namespace freehold::quant
