// Qwen3, dense (Yang et al., 2025): qwen2's layer without its biases, with a norm over every head
// of q and k before RoPE.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "qwen3";

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters parameters = read_common(reader);
  parameters.rope_pairing = ops::RopePairing::kHalves;
  parameters.head_norms = true;
  return reader.finish(std::move(parameters));
}

}  // namespace

const Architecture& qwen3_architecture() {
  static constexpr Architecture kArchitecture{kName,        read,           pre_norm_weights,
                                              embed_tokens, pre_norm_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
