#include "model/arch/encoder.h"

#include <algorithm>

namespace freehold::model {

namespace {

constexpr uint64_t kSegmentsMax = 16;

NormSpec layer_norm(const HyperParameters& parameters, WeightName weight, WeightName bias) {
  return {.weight = weight, .eps = parameters.norm_eps, .centred = true, .bias = bias};
}

void add_norm(std::vector<WeightSpec>& specs, const HyperParameters& parameters, uint32_t layer,
              const std::string& name) {
  add_layer_vector(specs, layer, name + ".weight", parameters.width);
  add_layer_vector(specs, layer, name + ".bias", parameters.width);
}

void add_mlp_weights(std::vector<WeightSpec>& specs, const HyperParameters& parameters,
                     uint32_t layer) {
  const HyperParameters& p = parameters;
  add_layer_matrix(specs, layer, "ffn_up.weight", p.ffn_width, p.width);
  add_layer_vector(specs, layer, "ffn_up.bias", p.ffn_width);
  add_layer_matrix(specs, layer, "ffn_down.weight", p.width, p.ffn_width);
  add_layer_vector(specs, layer, "ffn_down.bias", p.width);
}

}  // namespace

HyperParameters read_encoder(HyperParameterReader& reader) {
  HyperParameters p = read_common(reader, {.norm_eps = "attention.layer_norm_epsilon"});
  p.centred_norms = true;
  p.causal = reader.boolean_or("attention.causal", true);
  if (p.causal) reader.refuse("an encoder with causal attention is not there yet");
  p.tied_output = false;  // there is no output matrix at all
  p.head.softmax = false;
  p.head.pooling = Pooling::kFirst;
  p.gate = ops::GateActivation::kGeluErf;
  const TensorInfo* const segments = reader.file().find("token_types.weight");
  if (segments != nullptr) {
    p.segments = static_cast<uint32_t>(std::min(segments->rows(), kSegmentsMax));
  }
  return p;
}

void require_learned_positions(HyperParameterReader& reader, HyperParameters& parameters) {
  parameters.learned_positions = true;
  parameters.rope.clear();
  for (LayerKind& kind : parameters.layer_kinds) kind.rope = false;
  const TensorInfo* const table = reader.file().find("position_embd.weight");
  reader.require(table == nullptr || table->rows() == parameters.context_trained,
                 "position_embd.weight has not one row for each position of context_length");
}

void add_encoder_embedding(std::vector<WeightSpec>& specs, const HyperParameters& parameters) {
  const HyperParameters& p = parameters;
  const auto add = [&](const char* name, uint64_t rows, WeightRole role) {
    specs.push_back({name, rows, p.width, role, WeightSpec::kNoLayer});
  };
  add_embedding(specs, p);
  if (p.segments > 0) add("token_types.weight", p.segments, WeightRole::kTable);
  if (p.learned_positions) add("position_embd.weight", p.context_trained, WeightRole::kTable);
  add("token_embd_norm.weight", 1, WeightRole::kVector);
  if (p.norm_bias) add("token_embd_norm.bias", 1, WeightRole::kVector);
}

void embed_encoder(LayerContext& context, const HyperParameters& parameters) {
  embed_tokens(context, parameters);
  if (parameters.segments > 0) context.add_rows("token_types.weight", RowOf::kSegment);
  if (parameters.learned_positions) context.add_rows("position_embd.weight", RowOf::kPosition);
  const WeightName bias = parameters.norm_bias ? WeightName("token_embd_norm.bias") : WeightName();
  context.replace_residual(
      context.norm(context.residual(), layer_norm(parameters, "token_embd_norm.weight", bias)));
}

std::vector<WeightSpec> encoder_weights(const HyperParameters& parameters) {
  std::vector<WeightSpec> specs;
  add_encoder_embedding(specs, parameters);
  for (uint32_t layer = 0; layer < parameters.layers; ++layer) {
    add_attention_weights(specs, parameters, layer);
    add_norm(specs, parameters, layer, "attn_output_norm");
    if (parameters.mlp_bias) {
      add_mlp_weights(specs, parameters, layer);
    } else {
      add_gated_mlp_weights(specs, parameters, layer);
    }
    add_norm(specs, parameters, layer, "layer_output_norm");
  }
  add_classifier_head(specs, parameters);
  return specs;
}

void encoder_layer(LayerContext& context, const HyperParameters& parameters, uint32_t layer) {
  context.add_to_residual(attention_block(context, parameters, layer, context.residual()));
  context.replace_residual(
      context.norm(context.residual(),
                   layer_norm(parameters, "attn_output_norm.weight", "attn_output_norm.bias")));
  if (parameters.mlp_bias) {
    context.add_to_residual(context.mlp(context.residual(), {.up = "ffn_up.weight",
                                                             .up_bias = "ffn_up.bias",
                                                             .down = "ffn_down.weight",
                                                             .down_bias = "ffn_down.bias",
                                                             .activation = parameters.gate}));
  } else {
    context.add_to_residual(mlp_block(context, parameters, context.residual()));
  }
  context.replace_residual(
      context.norm(context.residual(),
                   layer_norm(parameters, "layer_output_norm.weight", "layer_output_norm.bias")));
}

void encoder_states(LayerContext& context, const HyperParameters&) {
  context.states(context.residual());
}

}  // namespace freehold::model
