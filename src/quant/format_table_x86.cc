// The table of formats with its x86-64 paths.

#include <array>

#include "quant/format.h"
#include "quant/paths.h"

namespace freehold::quant {
namespace {

#define FREEHOLD_AMX_kFloat(name) nullptr
#define FREEHOLD_AMX_k32(name) &name##_dot_amx
#define FREEHOLD_AMX_k256(name) &name##_dot_amx

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
   &name##_dot_avx2,                                                         \
   &name##_dot_avx512vnni,                                                   \
   FREEHOLD_AMX_##group(name),                                               \
   rows_valid_of(FormatId::id)},
#include "quant/formats.def"
#undef FREEHOLD_FORMAT
}};

#undef FREEHOLD_AMX_kFloat
#undef FREEHOLD_AMX_k32
#undef FREEHOLD_AMX_k256

}  // namespace

std::span<const Format> all_formats() { return kFormats; }

}  // namespace freehold::quant
