// Nomic Embed (Nussbaum et al., 2024): BERT's layers with RoPE in place of learned positions, q, k
// and v in one matrix, a gated MLP, and no biases but those of the norms.

#include "model/arch/encoder.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "nomic-bert";

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_encoder(reader);
  p.rope_pairing = ops::RopePairing::kHalves;
  p.gate = ops::GateActivation::kSilu;
  p.fused_qkv = true;
  p.norm_bias = true;
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& nomic_bert_architecture() {
  static constexpr Architecture kArchitecture{kName,         read,          encoder_weights,
                                              embed_encoder, encoder_layer, encoder_states};
  return kArchitecture;
}

}  // namespace freehold::model
