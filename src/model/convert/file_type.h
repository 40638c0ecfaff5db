#pragma once
// What kinds of files `freehold quantize` writes, and which format each tensor of such a file has:
// the choices of llama.cpp's quantiser (llama-quant.cpp, without an importance matrix), which
// people know by these names. Pure; any thread.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/gguf/gguf.h"
#include "quant/format.h"

namespace freehold::model {

struct FileType {
  std::string_view name;  // "Q4_K_M"
  uint32_t number;        // general.file_type, the field's number
  quant::FormatId base;   // of most matrices
};

std::span<const FileType> file_types();
/// In any case of letters; Q3_K, Q4_K and Q5_K are the _M of each, as with the field's tools.
/// nullptr: there is none of that name.
const FileType* find_file_type(std::string_view name);

/// Whether a tensor's format may change: matrices, but no norms, routers and other small ones that
/// decide much.
bool may_change(const TensorInfo& tensor);

/// About half of the layers, to which the _M mixes give more bits: the first and the last eighth
/// and every third between.
constexpr bool has_more_bits(uint64_t layer, uint64_t layers) {
  const uint64_t eighth = layers / 8;
  return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
}

/// For each tensor of `model`, in its order, the format it has in a file of `type`.
std::vector<const quant::Format*> choose_formats(const GgufModel& model, const FileType& type);

}  // namespace freehold::model
