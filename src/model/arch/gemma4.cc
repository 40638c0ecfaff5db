// Gemma 4 text models without experts (Gemma team, 2026): gemma3's layer with keys, values and
// heads of another size on the global layers, values that are normed and may be the keys'
// projection, scores that are not scaled, and RoPE on a part of the global layers' pairs. The small
// models add an input by token to every layer, and their last layers read the keys and values of
// earlier ones.

#include "model/arch/per_layer_input.h"
#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "gemma4";
constexpr uint32_t kGlobalRope = 0;
constexpr uint32_t kLocalRope = 1;
constexpr double kLocalBase = 10000.0;

/// Head dimensions and the RoPE of the sliding-window layers; the common keys are the global ones'.
void read_local_heads(HyperParameterReader& reader, HyperParameters& p) {
  using Limits = HyperParameterLimits;
  const uint32_t dim = reader.integer("attention.key_length_swa", 2, Limits::kHeadDimMax);
  reader.require(dim % 2 == 0, "attention.key_length_swa is odd");
  reader.require(p.key_dim == p.value_dim && reader.integer_or("attention.value_length_swa", 2,
                                                               Limits::kHeadDimMax, dim) == dim,
                 "keys and values of different lengths are no gemma4");
  ops::RopeScaling local = p.rope[kGlobalRope];
  local.kind = ops::RopeScalingKind::kNone;
  local.factor = 1.0;
  local.freq_base = reader.number_or("rope.freq_base_swa", 1.0, 1e12, kLocalBase);
  local.rotary_dim = reader.integer_or("rope.dimension_count_swa", 2, dim, dim);
  reader.require(local.rotary_dim % 2 == 0, "rope.dimension_count_swa is odd");
  p.rope.push_back(local);
  for (LayerKind& kind : p.layer_kinds) {
    if (kind.window != 0) kind.head_dim = dim;
    kind.rope_set = kind.window == 0 ? kGlobalRope : kLocalRope;
  }
}

/// What differs from layer to layer beside windows.
void read_layers(HyperParameterReader& reader, HyperParameters& p) {
  using Limits = HyperParameterLimits;
  const auto kv_heads =
      reader.integer_by_layer("attention.head_count_kv", p.layers, 1, Limits::kHeadsMax);
  const auto ffn_widths =
      reader.integer_by_layer("feed_forward_length", p.layers, 1, Limits::kFfnMax);
  for (uint32_t layer = 0; layer < p.layers; ++layer) {
    LayerKind& kind = p.layer_kinds[layer];
    kind.kv_heads = kv_heads[layer];
    kind.ffn_width = ffn_widths[layer];
    reader.require(p.heads % kind.kv_heads == 0,
                   "attention.head_count is not a multiple of every attention.head_count_kv");
    kind.value_is_key = !reader.has_tensor(layer_name(layer, "attn_v.weight"));
  }
}

Result<HyperParameters> read(const GgufModel& file) {
  using Limits = HyperParameterLimits;
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_by_layer(reader);
  p.rope_factors = "rope_freqs.weight";
  p.layer_scale = reader.has_tensor("blk.0.layer_output_scale.weight");
  p.per_layer_width =
      reader.integer_or("embedding_length_per_layer_input", 0, Limits::kWidthMax, 0);
  if (!reader.array_size("attention.sliding_window_pattern")) {
    reader.fail("the model's metadata has no list 'gemma4.attention.sliding_window_pattern'");
  }
  read_windows(reader, p, reader.integer("attention.sliding_window", 1, Limits::kContextMax), 0);
  read_local_heads(reader, p);
  read_layers(reader, p);
  share_keys_and_values(reader, p);
  return reader.finish(std::move(p));
}

std::vector<WeightSpec> weights(const HyperParameters& parameters) {
  std::vector<WeightSpec> specs;
  add_embedding(specs, parameters);
  add_per_layer_embedding(specs, parameters);
  add_rope_factors(specs, parameters);
  for (uint32_t layer = 0; layer < parameters.layers; ++layer) {
    add_both_norms_layer(specs, parameters, layer);
    add_per_layer_projections(specs, parameters, layer);
    if (parameters.layer_scale) add_layer_vector(specs, layer, "layer_output_scale.weight", 1);
  }
  add_output(specs, parameters);
  return specs;
}

void embed(LayerContext& context, const HyperParameters& parameters) {
  embed_tokens(context, parameters);
  if (parameters.per_layer_width == 0) return;
  const Activation inputs = per_layer_inputs(context, parameters);
  context.assign(context.kept(0, inputs.width), inputs);
}

void layer(LayerContext& context, const HyperParameters& parameters, uint32_t index) {
  both_norms_layer(context, parameters, index);
  if (parameters.per_layer_width > 0) {
    context.add_to_residual(per_layer_block(context, parameters, index, context.residual()));
  }
  if (parameters.layer_scale) context.scale_by(context.residual(), "layer_output_scale.weight");
}

}  // namespace

const Architecture& gemma4_architecture() {
  static constexpr Architecture kArchitecture{kName, read, weights, embed, layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
