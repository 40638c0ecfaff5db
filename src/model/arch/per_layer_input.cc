#include "model/arch/per_layer_input.h"

#include <cmath>

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

float root(double value) { return static_cast<float>(std::sqrt(value)); }

}  // namespace

HyperParameters read_by_layer(HyperParameterReader& reader) {
  HyperParameters p = read_common(reader, {.by_layer = true});
  p.rope_pairing = ops::RopePairing::kHalves;
  p.gate = ops::GateActivation::kGeluTanh;
  p.head_norms = true;
  p.value_norm = true;
  p.attention_scale = 1;
  p.embedding_scale = root(p.width);
  p.logit_soft_cap = static_cast<float>(reader.number_or("final_logit_softcapping", 1e-3, 1e6, 0));
  return p;
}

void share_keys_and_values(HyperParameterReader& reader, HyperParameters& parameters) {
  auto& kinds = parameters.layer_kinds;
  const uint32_t shared =
      reader.integer_or("attention.shared_kv_layers", 0, parameters.layers - 1, 0);
  const uint32_t own = parameters.layers - shared;
  for (uint32_t layer = own; layer < parameters.layers; ++layer) {
    uint32_t source = own;
    while (source > 0 && kinds[source - 1].window != kinds[layer].window) --source;
    if (source == 0) {
      reader.fail("attention.shared_kv_layers leaves no layer whose keys and values are read");
      return;
    }
    kinds[layer].kv_of = source - 1;
    reader.require(parameters.kv_heads_of(layer) == parameters.kv_heads_of(source - 1),
                   "layers that share keys and values have different attention.head_count_kv");
    kinds[layer].value_is_key = false;
  }
}

void add_per_layer_embedding(std::vector<WeightSpec>& specs, const HyperParameters& parameters) {
  if (parameters.per_layer_width == 0) return;
  const uint64_t all = uint64_t{parameters.layers} * parameters.per_layer_width;
  specs.push_back({"per_layer_token_embd.weight", parameters.vocabulary, all,
                   WeightRole::kEmbedding, WeightSpec::kNoLayer});
  specs.push_back({"per_layer_model_proj.weight", all, parameters.width, WeightRole::kMatrix,
                   WeightSpec::kNoLayer});
  specs.push_back({"per_layer_proj_norm.weight", 1, parameters.per_layer_width, WeightRole::kVector,
                   WeightSpec::kNoLayer});
}

void add_per_layer_projections(std::vector<WeightSpec>& specs, const HyperParameters& parameters,
                               uint32_t layer) {
  if (parameters.per_layer_width == 0) return;
  add_layer_matrix(specs, layer, "inp_gate.weight", parameters.per_layer_width, parameters.width);
  add_layer_matrix(specs, layer, "proj.weight", parameters.width, parameters.per_layer_width);
  add_layer_vector(specs, layer, "post_norm.weight", parameters.width);
}

Activation per_layer_inputs(LayerContext& context, const HyperParameters& parameters) {
  const Activation of_token =
      context.lookup("per_layer_token_embd.weight", root(parameters.per_layer_width));
  const Activation of_embedding = context.linear(context.residual(), "per_layer_model_proj.weight");
  context.scale(of_embedding, root(1.0 / parameters.width));
  const Activation normed = context.norm(of_embedding, {.weight = "per_layer_proj_norm.weight",
                                                        .eps = parameters.norm_eps,
                                                        .parts = parameters.layers});
  context.add(normed, of_token, root(0.5));
  return normed;
}

Activation per_layer_block(LayerContext& context, const HyperParameters& parameters, uint32_t layer,
                           Activation x) {
  const uint32_t width = parameters.per_layer_width;
  const Activation gate = context.linear(x, "inp_gate.weight");
  const Activation let_through =
      context.gated(gate, context.kept(layer * width, width), parameters.gate);
  const Activation back = context.linear(let_through, "proj.weight");
  return context.norm(back, {"post_norm.weight", parameters.norm_eps});
}

}  // namespace freehold::model
