#pragma once
// What the encoders (BERT and what came of it) share word for word: models whose columns see their
// whole sequence and that give states instead of logits. Not an architecture: each of those says
// its own order in its own file.

#include <vector>

#include "model/arch/transformer.h"

namespace freehold::model {

/// read_common() for an encoder: LayerNorm, attention both ways, as many key heads as query heads
/// unless the file says otherwise, segments where it has them. No RoPE and no learned positions
/// yet.
HyperParameters read_encoder(HyperParameterReader& reader);

/// Appends the table of learned positions; its rows are the longest text.
void require_learned_positions(HyperParameterReader& reader, HyperParameters& parameters);

/// token_embd, token_types and position_embd, where there are such, and the norm behind their sum.
void add_encoder_embedding(std::vector<WeightSpec>& specs, const HyperParameters& parameters);
/// Residual stream = norm((token + segment) + position).
void embed_encoder(LayerContext& context, const HyperParameters& parameters);

/// Every weight of an encoder whose norms stand behind the blocks.
std::vector<WeightSpec> encoder_weights(const HyperParameters& parameters);
/// x = norm(x + attention(x)), x = norm(x + MLP(x)).
void encoder_layer(LayerContext& context, const HyperParameters& parameters, uint32_t layer);
/// The residual stream is what an encoder gives.
void encoder_states(LayerContext& context, const HyperParameters& parameters);

}  // namespace freehold::model
