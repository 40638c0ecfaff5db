// Qwen3 with experts (Yang et al., 2025; 30B-A3B, 235B-A22B): qwen3's layer with a router and
// experts in place of the MLP. The files do not say that the weights of the chosen experts are
// brought to a sum of 1; every published model does.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "qwen3moe";

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters parameters = read_common(reader);
  parameters.rope_pairing = ops::RopePairing::kHalves;
  parameters.head_norms = true;
  parameters.experts_normalised = true;
  read_experts(reader, parameters);
  return reader.finish(std::move(parameters));
}

}  // namespace

const Architecture& qwen3moe_architecture() {
  static constexpr Architecture kArchitecture{kName,        read,           pre_norm_weights,
                                              embed_tokens, pre_norm_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
