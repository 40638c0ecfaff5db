#include "model_factory/type_mix.h"

#include "base/check.h"
#include "model/convert/file_type.h"

namespace freehold::factory {

namespace {

// Mixes of several formats. The shares follow llama.cpp's: about half of the attention values and
// ffn_down get more bits, and so does the output matrix. Not its exact layer-by-layer choice.
constexpr TypeMix kMixes[] = {
    {"Q3_K_M", 12, "Q3_K", "Q5_K", "Q6_K", true}, {"Q4_K_S", 14, "Q4_K", "Q4_K", "Q6_K", false},
    {"Q4_K_M", 15, "Q4_K", "Q6_K", "Q6_K", true}, {"Q5_K_S", 16, "Q5_K", "Q5_K", "Q6_K", false},
    {"Q5_K_M", 17, "Q5_K", "Q6_K", "Q6_K", true}, {"IQ4_XS_M", 30, "IQ4_XS", "Q5_K", "Q6_K", true},
};

// general.file_type of files of one format.
struct FileType {
  std::string_view format;
  uint32_t number;
};
constexpr FileType kFileTypes[] = {
    {"F32", 0},     {"F16", 1},     {"Q4_0", 2},  {"Q4_1", 3},   {"Q8_0", 7},  {"Q5_0", 8},
    {"Q5_1", 9},    {"Q2_K", 10},   {"Q3_K", 12}, {"Q4_K", 14},  {"Q5_K", 16}, {"Q6_K", 18},
    {"IQ4_NL", 25}, {"IQ4_XS", 30}, {"BF16", 32}, {"MXFP4", 38},
};

// What llama.cpp's quantiser takes where rows are not multiples of 256.
struct FallBack {
  std::string_view format, instead;
};
constexpr FallBack kFallBacks[] = {{"Q2_K", "IQ4_NL"}, {"Q3_K", "IQ4_NL"}, {"IQ4_XS", "IQ4_NL"},
                                   {"Q4_K", "Q5_0"},   {"Q5_K", "Q5_1"},   {"Q6_K", "Q8_0"}};

const quant::Format& named(std::string_view name) {
  const quant::Format* format = quant::find_format(name);
  CHECK(format != nullptr);
  return *format;
}

}  // namespace

std::optional<TypeMix> find_mix(std::string_view name) {
  for (const TypeMix& mix : kMixes) {
    if (mix.name == name) return mix;
  }
  const quant::Format* format = quant::find_format(name);
  if (format == nullptr) return std::nullopt;
  TypeMix mix{format->name, 0, format->name, format->name, format->name, false};
  for (const FileType& type : kFileTypes) {
    if (type.format == format->name) mix.file_type = type.number;
  }
  return mix;
}

std::vector<std::string_view> mix_names() {
  std::vector<std::string_view> names;
  for (const TypeMix& mix : kMixes) names.push_back(mix.name);
  for (const quant::Format& format : quant::all_formats()) names.push_back(format.name);
  return names;
}

const quant::Format& matrix_format(const TypeMix& mix, Role role, uint32_t layer, uint32_t layers,
                                   uint64_t width) {
  std::string_view name = mix.base;
  if (role == Role::kOutput) name = mix.output;
  const bool wants_more = role == Role::kAttentionValue || role == Role::kFfnDown;
  if (wants_more && (!mix.half_the_layers || model::has_more_bits(layer, layers))) name = mix.more;
  if (width % named(name).block_values == 0) return named(name);
  for (const FallBack& fall_back : kFallBacks) {
    if (fall_back.format == name && width % 32 == 0) return named(fall_back.instead);
  }
  return named("F16");
}

}  // namespace freehold::factory
