// ModernBERT (Warner et al., 2024): norms before the blocks and none before the first, no biases,
// RoPE, a gated MLP in one matrix; every third layer, the first among them, sees everything, the
// others half a window on either side, with a RoPE base of their own.

#include "base/text.h"
#include "model/arch/encoder.h"

#include <fmt/format.h>

namespace freehold::model {

namespace {

constexpr std::string_view kName = "modern-bert";
constexpr uint32_t kPattern = 3;
constexpr double kLocalBase = 10000.0;  // of the published models; older files do not say it

ops::GateActivation read_activation(HyperParameterReader& reader) {
  const std::string_view name = reader.string_or("hidden_activation", "gelu");
  if (name == "gelu") return ops::GateActivation::kGeluErf;
  if (name == "silu") return ops::GateActivation::kSilu;
  reader.refuse(
      fmt::format("the activation {} is not there yet; gelu and silu are", base::printable(name)));
  return ops::GateActivation::kGeluErf;
}

Result<HyperParameters> read(const GgufModel& file) {
  using Limits = HyperParameterLimits;
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_encoder(reader);
  p.rope_pairing = ops::RopePairing::kHalves;
  p.fused_qkv = true;
  p.fused_gate_up = true;
  p.gate = read_activation(reader);
  p.rope.push_back(p.rope[0]);
  p.rope[1].freq_base = reader.number_or("rope.freq_base_swa", 1.0, 1e12, kLocalBase);
  const uint32_t window = reader.integer("attention.sliding_window", 2, Limits::kContextMax);
  const uint32_t pattern =
      reader.integer_or("attention.sliding_window_pattern", 1, Limits::kLayersMax, kPattern);
  for (uint32_t layer = 0; layer < p.layers; ++layer) {
    if (layer % pattern == 0) continue;
    p.layer_kinds[layer].window = window / 2;
    p.layer_kinds[layer].rope_set = 1;
  }
  p.head.activation = ops::GateActivation::kGeluErf;
  const uint32_t pooling = reader.integer_or("classifier.pooling_type", 1, 2, 1);
  p.head.pooling = static_cast<Pooling>(pooling);
  return reader.finish(std::move(p));
}

NormSpec norm_of(const HyperParameters& parameters, WeightName weight) {
  return {.weight = weight, .eps = parameters.norm_eps, .centred = parameters.centred_norms};
}

std::vector<WeightSpec> weights(const HyperParameters& parameters) {
  std::vector<WeightSpec> specs;
  add_encoder_embedding(specs, parameters);
  for (uint32_t index = 0; index < parameters.layers; ++index) {
    if (index > 0) add_layer_vector(specs, index, "attn_norm.weight", parameters.width);
    add_attention_weights(specs, parameters, index);
    add_layer_vector(specs, index, "ffn_norm.weight", parameters.width);
    add_gated_mlp_weights(specs, parameters, index);
  }
  specs.push_back(
      {"output_norm.weight", 1, parameters.width, WeightRole::kVector, WeightSpec::kNoLayer});
  add_classifier_head(specs, parameters);
  return specs;
}

void layer(LayerContext& context, const HyperParameters& parameters, uint32_t index) {
  Activation normed = context.residual();
  if (index > 0) normed = context.norm(normed, norm_of(parameters, "attn_norm.weight"));
  context.add_to_residual(attention_block(context, parameters, index, normed));
  const Activation middle =
      context.norm(context.residual(), norm_of(parameters, "ffn_norm.weight"));
  context.add_to_residual(mlp_block(context, parameters, middle));
}

void states(LayerContext& context, const HyperParameters& parameters) {
  context.states(context.norm(context.residual(), norm_of(parameters, "output_norm.weight")));
}

}  // namespace

const Architecture& modern_bert_architecture() {
  static constexpr Architecture kArchitecture{kName, read, weights, embed_encoder, layer, states};
  return kArchitecture;
}

}  // namespace freehold::model
