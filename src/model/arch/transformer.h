#pragma once
// Weight lists and layer parts that the llama-like architectures share word for word. Not an
// architecture: each of those says its own order in its own file.

#include <cstdint>
#include <vector>

#include "model/arch/architecture.h"

namespace freehold::model {

/// Appends the attention projections of one layer, with biases where the file has them.
void add_attention_weights(std::vector<WeightSpec>& specs, const HyperParameters& parameters,
                           uint32_t layer);
/// Appends gate, up and down of one layer.
void add_gated_mlp_weights(std::vector<WeightSpec>& specs, const HyperParameters& parameters,
                           uint32_t layer);
/// Appends the router and gate, up and down of all experts of one layer.
void add_expert_weights(std::vector<WeightSpec>& specs, const HyperParameters& parameters,
                        uint32_t layer);
/// Appends one matrix of a layer, [rows, width].
void add_layer_matrix(std::vector<WeightSpec>& specs, uint32_t layer, std::string_view suffix,
                      uint32_t rows, uint32_t width);
/// Appends one vector of `width` values of a layer.
void add_layer_vector(std::vector<WeightSpec>& specs, uint32_t layer, std::string_view suffix,
                      uint32_t width);
/// Appends token_embd.weight; first in every list.
void add_embedding(std::vector<WeightSpec>& specs, const HyperParameters& parameters);
/// Appends output_norm.weight, output.weight where it is not tied, and the classifier head; last in
/// every list.
void add_output(std::vector<WeightSpec>& specs, const HyperParameters& parameters);

/// Appends the classifier's tensors, where the file has such.
void add_classifier_head(std::vector<WeightSpec>& specs, const HyperParameters& parameters);

/// Appends the tensor of per-pair RoPE factors, where the file has one.
void add_rope_factors(std::vector<WeightSpec>& specs, const HyperParameters& parameters);

/// Every weight of a llama-like model: embedding, layers of norm, attention, norm, MLP or experts,
/// and output.
std::vector<WeightSpec> pre_norm_weights(const HyperParameters& parameters);

/// Appends one layer with norms on both sides of each block.
void add_both_norms_layer(std::vector<WeightSpec>& specs, const HyperParameters& parameters,
                          uint32_t layer);

/// The same with a norm behind each block too, before it joins the residual stream.
std::vector<WeightSpec> both_norms_weights(const HyperParameters& parameters);
/// The same with norms behind the blocks only.
std::vector<WeightSpec> post_norm_weights(const HyperParameters& parameters);

/// The same with one norm for both blocks, which stand side by side.
std::vector<WeightSpec> parallel_weights(const HyperParameters& parameters);

/// Residual stream = rows of token_embd.weight times the model's embedding scale.
void embed_tokens(LayerContext& context, const HyperParameters& parameters);
/// q, k, v, attention over this layer's cache, output projection.
Activation attention_block(LayerContext& context, const HyperParameters& parameters, uint32_t layer,
                           Activation normed);
/// The gated MLP.
Activation mlp_block(LayerContext& context, const HyperParameters& parameters, Activation normed);
/// The llama layer: norm, attention, residual, norm, gated MLP or experts, residual.
void pre_norm_layer(LayerContext& context, const HyperParameters& parameters, uint32_t layer);
/// norm, attention, norm, residual, norm, gated MLP, norm, residual.
void both_norms_layer(LayerContext& context, const HyperParameters& parameters, uint32_t layer);
/// attention, norm, residual, gated MLP, norm, residual.
void post_norm_layer(LayerContext& context, const HyperParameters& parameters, uint32_t layer);
/// norm, attention and gated MLP of the same, both to the residual stream.
void parallel_layer(LayerContext& context, const HyperParameters& parameters, uint32_t layer);
/// output_norm, then the output matrix or the tied embedding.
void norm_and_logits(LayerContext& context, const HyperParameters& parameters);
/// The same of `x` in place of the residual stream.
void norm_and_logits_of(LayerContext& context, const HyperParameters& parameters, Activation x);

}  // namespace freehold::model
