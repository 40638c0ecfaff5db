// Command R and Aya 23 (Cohere, 2024): cohere2's layer without windows, every layer turned. Command
// R+, which norms the heads of q and k by LayerNorm, is refused by the name of those tensors.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "command-r";
constexpr std::string_view kOwnKeys[] = {"logit_scale"};

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters p =
      read_common(reader, {.norm_eps = "attention.layer_norm_epsilon", .own = kOwnKeys});
  p.rope_pairing = ops::RopePairing::kInterleaved;
  p.centred_norms = true;
  p.logit_scale = static_cast<float>(reader.number("logit_scale", 1e-6, 1e6));
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& command_r_architecture() {
  static constexpr Architecture kArchitecture{kName,        read,           parallel_weights,
                                              embed_tokens, parallel_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
