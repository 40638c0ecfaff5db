#pragma once
// What Gemma 3n and Gemma 4's small models share: an input by token for every layer, and last
// layers that read the keys and values of earlier ones (docs/NUMERICS.md, section 8).

#include <cstdint>
#include <vector>

#include "model/arch/architecture.h"

namespace freehold::model {

/// What Gemma 3n and 4 have alike: the numbers of all layers, before those that differ by layer.
HyperParameters read_by_layer(HyperParameterReader& reader);

/// Gives the last attention.shared_kv_layers layers the keys and values of the last layer before
/// them that has a window as they have, or none as they have none.
void share_keys_and_values(HyperParameterReader& reader, HyperParameters& parameters);

/// Appends the table of inputs and what joins the token's embedding to them, where the model has
/// such; behind token_embd.weight.
void add_per_layer_embedding(std::vector<WeightSpec>& specs, const HyperParameters& parameters);
/// Appends one layer's gate, its way back and the norm behind it.
void add_per_layer_projections(std::vector<WeightSpec>& specs, const HyperParameters& parameters,
                               uint32_t layer);

/// The inputs of all layers, one after the other, from the embedded tokens in the residual stream.
Activation per_layer_inputs(LayerContext& context, const HyperParameters& parameters);
/// norm(projection(act(gate x) * the layer's input)); the inputs are what was kept first.
Activation per_layer_block(LayerContext& context, const HyperParameters& parameters, uint32_t layer,
                           Activation x);

}  // namespace freehold::model
