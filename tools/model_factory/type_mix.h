#pragma once
// Which format each matrix takes: a single one, or a mix like those of llama.cpp's quantiser, with
// its fall-back where a row is not whole blocks. Pure; any thread.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "quant/format.h"

namespace freehold::factory {

/// What a matrix does; mixes give some roles more bits.
enum class Role { kEmbedding, kOutput, kAttentionValue, kAttentionOutput, kFfnDown, kOther };

struct TypeMix {
  std::string_view name;
  uint32_t file_type;  // general.file_type, llama.cpp's LLAMA_FTYPE numbers
  std::string_view base;
  std::string_view more;    // attention values and ffn_down of some layers
  std::string_view output;  // the matrix that makes logits
  bool half_the_layers;     // `more` in the layers llama.cpp's _M mixes choose; else in all
};

/// The mix of that name; a format's name makes a mix of that format alone.
std::optional<TypeMix> find_mix(std::string_view name);
std::vector<std::string_view> mix_names();

/// The format of a matrix with rows of `width` values.
const quant::Format& matrix_format(const TypeMix& mix, Role role, uint32_t layer, uint32_t layers,
                                   uint64_t width);

}  // namespace freehold::factory
