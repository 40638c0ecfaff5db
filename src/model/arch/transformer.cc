#include "model/arch/transformer.h"

namespace freehold::model {

void add_layer_matrix(std::vector<WeightSpec>& specs, uint32_t layer, std::string_view suffix,
                      uint32_t rows, uint32_t width) {
  specs.push_back(
      {layer_name(layer, suffix), rows, width, WeightRole::kMatrix, static_cast<int32_t>(layer)});
}

void add_layer_vector(std::vector<WeightSpec>& specs, uint32_t layer, std::string_view suffix,
                      uint32_t width) {
  specs.push_back(
      {layer_name(layer, suffix), 1, width, WeightRole::kVector, static_cast<int32_t>(layer)});
}

void add_attention_weights(std::vector<WeightSpec>& specs, const HyperParameters& parameters,
                           uint32_t layer) {
  const HyperParameters& p = parameters;
  const LayerKind& kind = p.layer_kinds[layer];
  const bool own_keys = !kind.kv_of.has_value();
  const uint32_t key_dim = p.key_dim_of(layer);
  const uint32_t query_rows = p.heads * key_dim;
  const uint32_t key_rows = p.kv_heads_of(layer) * key_dim;
  const uint32_t value_rows = p.kv_heads_of(layer) * p.value_dim_of(layer);
  if (p.fused_qkv) {
    add_layer_matrix(specs, layer, "attn_qkv.weight", query_rows + key_rows + value_rows, p.width);
  } else {
    add_layer_matrix(specs, layer, "attn_q.weight", query_rows, p.width);
    if (own_keys) add_layer_matrix(specs, layer, "attn_k.weight", key_rows, p.width);
    if (own_keys && !kind.value_is_key) {
      add_layer_matrix(specs, layer, "attn_v.weight", value_rows, p.width);
    }
  }
  if (p.qkv_bias) {
    add_layer_vector(specs, layer, "attn_q.bias", query_rows);
    add_layer_vector(specs, layer, "attn_k.bias", key_rows);
    add_layer_vector(specs, layer, "attn_v.bias", value_rows);
  }
  if (p.head_norms || p.whole_norms) {
    add_layer_vector(specs, layer, "attn_q_norm.weight", p.whole_norms ? query_rows : key_dim);
    const uint32_t key_norm = p.whole_norms ? key_rows : key_dim;
    if (own_keys) add_layer_vector(specs, layer, "attn_k_norm.weight", key_norm);
  }
  if (p.relative_buckets > 0 && layer == 0) {  // one table for all layers, first used here
    specs.push_back({"attn_rel_b.weight", p.relative_buckets, p.heads, WeightRole::kTable,
                     WeightSpec::kNoLayer});
  }
  add_layer_matrix(specs, layer, "attn_output.weight", p.width, p.heads * p.value_dim_of(layer));
  if (p.output_bias) add_layer_vector(specs, layer, "attn_output.bias", p.width);
}

void add_gated_mlp_weights(std::vector<WeightSpec>& specs, const HyperParameters& parameters,
                           uint32_t layer) {
  const HyperParameters& p = parameters;
  const uint32_t middle = p.ffn_width_of(layer);
  if (!p.fused_gate_up) add_layer_matrix(specs, layer, "ffn_gate.weight", middle, p.width);
  add_layer_matrix(specs, layer, "ffn_up.weight", middle * (p.fused_gate_up ? 2 : 1), p.width);
  add_layer_matrix(specs, layer, "ffn_down.weight", p.width, middle);
}

void add_expert_weights(std::vector<WeightSpec>& specs, const HyperParameters& parameters,
                        uint32_t layer) {
  const HyperParameters& p = parameters;
  const auto add = [&](std::string_view suffix, uint64_t rows, uint64_t width) {
    specs.push_back({layer_name(layer, suffix), p.experts * rows, width, WeightRole::kExperts,
                     static_cast<int32_t>(layer), p.experts, p.experts_used});
  };
  add_layer_matrix(specs, layer, "ffn_gate_inp.weight", p.experts, p.width);
  add("ffn_gate_exps.weight", p.expert_width, p.width);
  add("ffn_up_exps.weight", p.expert_width, p.width);
  add("ffn_down_exps.weight", p.width, p.expert_width);
}

void add_embedding(std::vector<WeightSpec>& specs, const HyperParameters& parameters) {
  specs.push_back({"token_embd.weight", parameters.vocabulary, parameters.width,
                   WeightRole::kEmbedding, WeightSpec::kNoLayer});
}

void add_output(std::vector<WeightSpec>& specs, const HyperParameters& parameters) {
  specs.push_back(
      {"output_norm.weight", 1, parameters.width, WeightRole::kVector, WeightSpec::kNoLayer});
  if (!parameters.tied_output) {
    specs.push_back({"output.weight", parameters.vocabulary, parameters.width, WeightRole::kMatrix,
                     WeightSpec::kNoLayer});
  }
  add_classifier_head(specs, parameters);
}

void add_classifier_head(std::vector<WeightSpec>& specs, const HyperParameters& parameters) {
  const ClassifierHead& head = parameters.head;
  const auto add = [&](const char* name, bool present, uint64_t rows, uint64_t width) {
    if (present) specs.push_back({name, rows, width, WeightRole::kHead, WeightSpec::kNoLayer});
  };
  add("cls.weight", head.dense, parameters.width, parameters.width);
  add("cls.bias", head.dense_bias, 1, parameters.width);
  add("cls.norm.weight", head.norm, 1, parameters.width);
  add("cls.output.weight", head.outputs > 0, head.outputs, parameters.width);
  add("cls.output.bias", head.output_bias, 1, head.outputs);
}

void add_rope_factors(std::vector<WeightSpec>& specs, const HyperParameters& parameters) {
  for (const std::string_view name :
       {parameters.rope_factors, parameters.rope_factors_short, parameters.rope_factors_long}) {
    if (name.empty()) continue;
    specs.push_back({std::string(name), 1, parameters.rope[0].rotary_dim / 2, WeightRole::kConstant,
                     WeightSpec::kNoLayer});
  }
}

std::vector<WeightSpec> pre_norm_weights(const HyperParameters& parameters) {
  std::vector<WeightSpec> specs;
  add_embedding(specs, parameters);
  add_rope_factors(specs, parameters);
  for (uint32_t layer = 0; layer < parameters.layers; ++layer) {
    add_layer_vector(specs, layer, "attn_norm.weight", parameters.width);
    add_attention_weights(specs, parameters, layer);
    add_layer_vector(specs, layer, parameters.mlp_norm, parameters.width);
    if (parameters.experts > 0) {
      add_expert_weights(specs, parameters, layer);
    } else {
      add_gated_mlp_weights(specs, parameters, layer);
    }
  }
  add_output(specs, parameters);
  return specs;
}

void embed_tokens(LayerContext& context, const HyperParameters& parameters) {
  context.embed("token_embd.weight", parameters.embedding_scale);
}

Activation attention_block(LayerContext& context, const HyperParameters& parameters, uint32_t layer,
                           Activation normed) {
  const LayerKind kind = parameters.layer_kinds[layer];
  QkvSpec spec{.query = "attn_q.weight", .key = "attn_k.weight", .value = "attn_v.weight"};
  if (parameters.qkv_bias) {
    spec.query_bias = "attn_q.bias";
    spec.key_bias = "attn_k.bias";
    spec.value_bias = "attn_v.bias";
  }
  if (parameters.fused_qkv) {
    spec.query = "attn_qkv.weight";
    spec.key = spec.value = {};
  }
  if (kind.kv_of.has_value()) {
    spec.query_only = true;
    spec.key = spec.value = {};
  }
  if (kind.value_is_key) spec.value = {};
  if (parameters.head_norms || parameters.whole_norms) {
    spec.query_norm = "attn_q_norm.weight";
    if (!spec.query_only) spec.key_norm = "attn_k_norm.weight";
  }
  spec.value_norm = parameters.value_norm && !spec.query_only;
  spec.norm_eps = parameters.norm_eps;
  spec.norm_whole = parameters.whole_norms;
  spec.rope = kind.rope;
  spec.rope_set = kind.rope_set;
  spec.temperature = {parameters.temperature_scale, parameters.temperature_length};
  const Qkv qkv = context.qkv(normed, spec);
  const Activation mixed = context.attention(
      qkv, {.scale = parameters.attention_scale,
            .soft_cap = parameters.attention_soft_cap,
            .window = kind.window,
            .causal = parameters.causal,
            .relative_bias =
                parameters.relative_buckets > 0 ? WeightName("attn_rel_b.weight") : WeightName()});
  return context.linear(mixed, "attn_output.weight",
                        parameters.output_bias ? WeightName("attn_output.bias") : WeightName());
}

Activation mlp_block(LayerContext& context, const HyperParameters& parameters, Activation normed) {
  const WeightName gate = parameters.fused_gate_up ? WeightName() : WeightName("ffn_gate.weight");
  return context.gated_mlp(normed, {gate, "ffn_up.weight", "ffn_down.weight", parameters.gate});
}

void pre_norm_layer(LayerContext& context, const HyperParameters& parameters, uint32_t layer) {
  const Activation normed =
      context.norm(context.residual(), {"attn_norm.weight", parameters.norm_eps});
  context.add_to_residual(attention_block(context, parameters, layer, normed),
                          parameters.residual_scale);
  const Activation middle =
      context.norm(context.residual(), {parameters.mlp_norm, parameters.norm_eps});
  if (parameters.experts > 0) {
    context.add_to_residual(context.experts(
        middle, {"ffn_gate_inp.weight", "ffn_gate_exps.weight", "ffn_up_exps.weight",
                 "ffn_down_exps.weight", parameters.experts_used, parameters.experts_normalised,
                 parameters.gate}));
    return;
  }
  context.add_to_residual(mlp_block(context, parameters, middle), parameters.residual_scale);
}

void add_both_norms_layer(std::vector<WeightSpec>& specs, const HyperParameters& parameters,
                          uint32_t layer) {
  add_layer_vector(specs, layer, "attn_norm.weight", parameters.width);
  add_attention_weights(specs, parameters, layer);
  add_layer_vector(specs, layer, "post_attention_norm.weight", parameters.width);
  add_layer_vector(specs, layer, "ffn_norm.weight", parameters.width);
  add_gated_mlp_weights(specs, parameters, layer);
  add_layer_vector(specs, layer, "post_ffw_norm.weight", parameters.width);
}

std::vector<WeightSpec> both_norms_weights(const HyperParameters& parameters) {
  std::vector<WeightSpec> specs;
  add_embedding(specs, parameters);
  for (uint32_t layer = 0; layer < parameters.layers; ++layer) {
    add_both_norms_layer(specs, parameters, layer);
  }
  add_output(specs, parameters);
  return specs;
}

void both_norms_layer(LayerContext& context, const HyperParameters& parameters, uint32_t layer) {
  const float eps = parameters.norm_eps;
  const Activation normed = context.norm(context.residual(), {"attn_norm.weight", eps});
  const Activation attended = attention_block(context, parameters, layer, normed);
  context.add_to_residual(context.norm(attended, {"post_attention_norm.weight", eps}));
  const Activation middle = context.norm(context.residual(), {"ffn_norm.weight", eps});
  const Activation mlp = mlp_block(context, parameters, middle);
  context.add_to_residual(context.norm(mlp, {"post_ffw_norm.weight", eps}));
}

std::vector<WeightSpec> post_norm_weights(const HyperParameters& parameters) {
  std::vector<WeightSpec> specs;
  add_embedding(specs, parameters);
  add_rope_factors(specs, parameters);
  for (uint32_t layer = 0; layer < parameters.layers; ++layer) {
    add_attention_weights(specs, parameters, layer);
    add_layer_vector(specs, layer, "post_attention_norm.weight", parameters.width);
    add_gated_mlp_weights(specs, parameters, layer);
    add_layer_vector(specs, layer, "post_ffw_norm.weight", parameters.width);
  }
  add_output(specs, parameters);
  return specs;
}

void post_norm_layer(LayerContext& context, const HyperParameters& parameters, uint32_t layer) {
  const float eps = parameters.norm_eps;
  const Activation attended = attention_block(context, parameters, layer, context.residual());
  context.add_to_residual(context.norm(attended, {"post_attention_norm.weight", eps}));
  const Activation mlp = mlp_block(context, parameters, context.residual());
  context.add_to_residual(context.norm(mlp, {"post_ffw_norm.weight", eps}));
}

std::vector<WeightSpec> parallel_weights(const HyperParameters& parameters) {
  std::vector<WeightSpec> specs;
  add_embedding(specs, parameters);
  for (uint32_t layer = 0; layer < parameters.layers; ++layer) {
    add_layer_vector(specs, layer, "attn_norm.weight", parameters.width);
    add_attention_weights(specs, parameters, layer);
    add_gated_mlp_weights(specs, parameters, layer);
  }
  add_output(specs, parameters);
  return specs;
}

void parallel_layer(LayerContext& context, const HyperParameters& parameters, uint32_t layer) {
  const Activation normed = context.norm(context.residual(), {.weight = "attn_norm.weight",
                                                              .eps = parameters.norm_eps,
                                                              .centred = parameters.centred_norms});
  const Activation attended = attention_block(context, parameters, layer, normed);
  const Activation mlp = mlp_block(context, parameters, normed);
  context.add_to_residual(attended);
  context.add_to_residual(mlp);
}

void norm_and_logits(LayerContext& context, const HyperParameters& parameters) {
  norm_and_logits_of(context, parameters, context.residual());
}

void norm_and_logits_of(LayerContext& context, const HyperParameters& parameters, Activation x) {
  const Activation normed =
      context.norm(x, {"output_norm.weight", parameters.norm_eps, parameters.centred_norms});
  const WeightName weight = parameters.tied_output ? "token_embd.weight" : "output.weight";
  context.logits(normed, {weight, parameters.logit_scale, parameters.logit_soft_cap});
}

}  // namespace freehold::model
