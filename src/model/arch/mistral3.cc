// Mistral 3: Ministral 3 and Mistral Small 3.1 and later, text only (Mistral AI, 2025). Llama's
// layer; Ministral 3 has YaRN, and queries that grow with the logarithm of how many original
// contexts lie before them.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "mistral3";
constexpr std::string_view kOwnKeys[] = {"attention.temperature_scale",
                                         "rope.scaling.yarn_log_multiplier"};

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_common(reader, {.own = kOwnKeys});
  p.rope_pairing = ops::RopePairing::kInterleaved;
  p.rope[0].log_multiplier = reader.number_or("rope.scaling.yarn_log_multiplier", 0, 100, 0);
  p.temperature_scale = reader.number_or("attention.temperature_scale", 0, 1e3, 0);
  if (p.temperature_scale != 0) {
    p.temperature_length = reader.integer("rope.scaling.original_context_length", 1,
                                          HyperParameterLimits::kContextMax);
  }
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& mistral3_architecture() {
  static constexpr Architecture kArchitecture{kName,        read,           pre_norm_weights,
                                              embed_tokens, pre_norm_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
