// Gemma 3n text models (Gemma team, 2025): four residual streams of which each layer predicts all,
// computes one and corrects the rest by it (AltUp; Baykal et al., 2023), a learned residual of low
// rank beside attention (Laurel; Menghani et al., 2024), gates cut so that few stay open, inputs by
// token for every layer, and last layers that read the keys and values of earlier ones.

#include <array>
#include <cmath>

#include "model/arch/per_layer_input.h"
#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "gemma3n";
constexpr uint32_t kGlobalRope = 0;
constexpr uint32_t kLocalRope = 1;
constexpr double kLocalBase = 10000.0;
// The first stream is the active one, and the residual stream of the pass.
constexpr uint32_t kStreams = 4;
using Streams = std::array<Activation, kStreams>;

void read_streams(HyperParameterReader& reader) {
  if (reader.integer("altup.num_inputs", 1, 64) != kStreams) {
    reader.refuse("'gemma3n.altup.num_inputs' other than 4 is not there yet");
  }
  if (reader.integer("altup.active_idx", 0, kStreams - 1) != 0) {
    reader.refuse("'gemma3n.altup.active_idx' other than 0 is not there yet");
  }
}

/// What differs from layer to layer.
void read_layers(HyperParameterReader& reader, HyperParameters& p) {
  using Limits = HyperParameterLimits;
  if (!reader.array_size("attention.sliding_window_pattern")) {
    reader.fail("the model's metadata has no list 'gemma3n.attention.sliding_window_pattern'");
  }
  read_windows(reader, p, reader.integer("attention.sliding_window", 1, Limits::kContextMax), 0);
  ops::RopeScaling local = p.rope[kGlobalRope];
  local.kind = ops::RopeScalingKind::kNone;
  local.factor = 1.0;
  local.freq_base = reader.number_or("rope.freq_base_swa", 1.0, 1e12, kLocalBase);
  p.rope.push_back(local);
  const auto ffn_widths =
      reader.integer_by_layer("feed_forward_length", p.layers, 1, Limits::kFfnMax);
  const auto cuts = reader.numbers_by_layer("activation_sparsity_scale", p.layers);
  for (uint32_t layer = 0; layer < p.layers; ++layer) {
    LayerKind& kind = p.layer_kinds[layer];
    kind.rope_set = kind.window == 0 ? kGlobalRope : kLocalRope;
    kind.ffn_width = ffn_widths[layer];
    kind.gate_cut = static_cast<float>(cuts[layer]);
  }
}

Result<HyperParameters> read(const GgufModel& file) {
  using Limits = HyperParameterLimits;
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_by_layer(reader);
  p.per_layer_width = reader.integer("embedding_length_per_layer_input", 1, Limits::kWidthMax);
  read_streams(reader);
  read_layers(reader, p);
  share_keys_and_values(reader, p);
  const TensorInfo* laurel = file.find("blk.0.laurel_l.weight");  // no key says its rank
  p.laurel_rank = laurel == nullptr || laurel->rows() > Limits::kWidthMax
                      ? 1
                      : static_cast<uint32_t>(laurel->rows());
  return reader.finish(std::move(p));
}

/// One matrix for each stream but the active one.
WeightSpec stream_matrices(std::string_view name, const HyperParameters& p) {
  constexpr uint32_t kParts = kStreams - 1;
  return {.name = std::string(name),
          .rows = uint64_t{kParts} * p.width,
          .width = p.width,
          .parts = kParts,
          .parts_used = kParts};
}

void add_layer(std::vector<WeightSpec>& specs, const HyperParameters& p, uint32_t layer) {
  add_layer_vector(specs, layer, "altup_router_norm.weight", p.width);
  add_layer_matrix(specs, layer, "altup_router.weight", kStreams, p.width);
  specs.back().reused = true;  // before the layer proper and behind it
  add_layer_matrix(specs, layer, "altup_predict_coef.weight", kStreams * kStreams, kStreams);
  add_layer_vector(specs, layer, "attn_norm.weight", p.width);
  add_layer_matrix(specs, layer, "laurel_l.weight", p.laurel_rank, p.width);
  add_layer_matrix(specs, layer, "laurel_r.weight", p.width, p.laurel_rank);
  add_layer_vector(specs, layer, "laurel_post_norm.weight", p.width);
  add_attention_weights(specs, p, layer);
  add_layer_vector(specs, layer, "post_attention_norm.weight", p.width);
  add_layer_vector(specs, layer, "ffn_norm.weight", p.width);
  add_gated_mlp_weights(specs, p, layer);
  add_layer_vector(specs, layer, "post_ffw_norm.weight", p.width);
  add_layer_matrix(specs, layer, "altup_correct_coef.weight", kStreams, kStreams);
  add_layer_vector(specs, layer, "altup_correct_scale.weight", p.width);
  add_per_layer_projections(specs, p, layer);
}

std::vector<WeightSpec> weights(const HyperParameters& parameters) {
  std::vector<WeightSpec> specs;
  add_embedding(specs, parameters);
  add_per_layer_embedding(specs, parameters);
  specs.push_back(stream_matrices("altup_proj.weight", parameters));
  for (uint32_t layer = 0; layer < parameters.layers; ++layer) add_layer(specs, parameters, layer);
  specs.push_back(stream_matrices("altup_unembd_proj.weight", parameters));
  add_output(specs, parameters);
  return specs;
}

/// The streams as the layer before left them.
Streams streams_of(LayerContext& context, const HyperParameters& p) {
  Streams streams{context.residual()};
  const uint32_t inputs = p.layers * p.per_layer_width;
  for (uint32_t i = 1; i < kStreams; ++i) {
    streams[i] = context.kept(inputs + (i - 1) * p.width, p.width);
  }
  return streams;
}

void embed(LayerContext& context, const HyperParameters& parameters) {
  embed_tokens(context, parameters);
  const Activation inputs = per_layer_inputs(context, parameters);
  context.assign(context.kept(0, inputs.width), inputs);
  const Streams streams = streams_of(context, parameters);
  for (uint32_t i = 1; i < kStreams; ++i) {
    const Activation made = context.linear_part(streams[0], "altup_proj.weight", i - 1);
    context.match_magnitude(made, streams[0]);
    context.assign(streams[i], made);
  }
}

/// What decides, for each column, how streams mix.
Activation modalities(LayerContext& context, const HyperParameters& p, Activation x) {
  const Activation normed = context.norm(x, {"altup_router_norm.weight", p.norm_eps});
  context.scale(normed, static_cast<float>(1.0 / p.width));
  const Activation routed = context.linear(normed, "altup_router.weight");
  context.soft_cap(routed, 1);
  return routed;
}

/// Each stream plus a mixture of all.
Streams predict(LayerContext& context, const HyperParameters& p, const Streams& streams) {
  const Activation factors =
      context.linear(modalities(context, p, streams[0]), "altup_predict_coef.weight");
  Streams predicted;
  for (uint32_t i = 0; i < kStreams; ++i) {
    predicted[i] = context.copy(streams[i]);
    for (uint32_t j = 0; j < kStreams; ++j) {
      context.add_scaled(predicted[i], streams[j], factors, i * kStreams + j);
    }
  }
  return predicted;
}

/// Adds to each stream its share of what `activated` has more than was predicted of it.
void correct(LayerContext& context, const HyperParameters& p, const Streams& predicted,
             Activation activated) {
  const Activation factors =
      context.linear(modalities(context, p, activated), "altup_correct_coef.weight");
  const Activation innovation = context.copy(predicted[0]);
  context.scale(innovation, -1);
  context.add(innovation, activated);
  for (uint32_t i = 0; i < kStreams; ++i) {
    context.add_scaled(predicted[i], innovation, factors, i, 1);
  }
}

/// Attention with Laurel beside it, and the MLP: the layer proper, of one stream.
Activation activate(LayerContext& context, const HyperParameters& p, uint32_t index, Activation x) {
  const float eps = p.norm_eps;
  const Activation normed = context.norm(x, {"attn_norm.weight", eps});
  const Activation low = context.linear(normed, "laurel_l.weight");
  const Activation laurel =
      context.norm(context.linear(low, "laurel_r.weight"), {"laurel_post_norm.weight", eps});
  context.add(laurel, normed);
  const Activation attended =
      context.norm(attention_block(context, p, index, normed), {"post_attention_norm.weight", eps});
  context.add(attended, x);
  context.add(attended, laurel, static_cast<float>(std::sqrt(0.5)));
  const Activation middle = context.norm(attended, {"ffn_norm.weight", eps});
  const Activation mlp = context.gated_mlp(middle, {.gate = "ffn_gate.weight",
                                                    .up = "ffn_up.weight",
                                                    .down = "ffn_down.weight",
                                                    .activation = p.gate,
                                                    .cut = p.layer_kinds[index].gate_cut});
  const Activation out = context.norm(mlp, {"post_ffw_norm.weight", eps});
  context.add(out, attended);
  return out;
}

void layer(LayerContext& context, const HyperParameters& parameters, uint32_t index) {
  const Streams streams = streams_of(context, parameters);
  const Streams predicted = predict(context, parameters, streams);
  correct(context, parameters, predicted, activate(context, parameters, index, predicted[0]));
  const Activation first = context.copy(predicted[0]);
  context.multiply_by(first, "altup_correct_scale.weight");
  const Activation input = per_layer_block(context, parameters, index, first);
  for (uint32_t i = 0; i < kStreams; ++i) {
    if (i > 0) context.add(predicted[i], input);
    context.assign(streams[i], predicted[i]);
  }
}

void output(LayerContext& context, const HyperParameters& parameters) {
  const Streams streams = streams_of(context, parameters);
  const Activation merged = context.copy(streams[0]);
  for (uint32_t i = 1; i < kStreams; ++i) {
    const Activation made = context.linear_part(streams[i], "altup_unembd_proj.weight", i - 1);
    context.match_magnitude(made, streams[0]);
    context.add(merged, made);
  }
  context.scale(merged, 1.0f / kStreams);
  norm_and_logits_of(context, parameters, merged);
}

}  // namespace

const Architecture& gemma3n_architecture() {
  static constexpr Architecture kArchitecture{kName, read, weights, embed, layer, output};
  return kArchitecture;
}

}  // namespace freehold::model
