// Qwen2 and Qwen2.5 (Yang et al., 2024): llama's layer with biases on q, k and v and RoPE over
// halves.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "qwen2";

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters parameters = read_common(reader);
  parameters.rope_pairing = ops::RopePairing::kHalves;
  parameters.qkv_bias = true;
  return reader.finish(std::move(parameters));
}

}  // namespace

const Architecture& qwen2_architecture() {
  static constexpr Architecture kArchitecture{kName,        read,           pre_norm_weights,
                                              embed_tokens, pre_norm_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
