#pragma once
// What an architecture's functions are written in: composite operations over the columns of one
// pass. Two implementations: the runtime's executor, and the recording context of the dry run.
// Activations are handles to [columns, width] matrices that live until the layer's function
// returns; the residual stream lives for the pass. Called by one thread; each call is one or more
// parallel regions.

#include <cstdint>
#include <limits>
#include <string_view>

#include "ops/gated_unit/gated_unit.h"

namespace freehold::model {

/// A handle to a matrix of activations, [columns of the pass, width].
struct Activation {
  uint32_t id = 0;
  uint32_t width = 0;
};

/// Names are suffixes within the layer ("attn_q.weight") or whole names outside one; empty means
/// none. They must be string literals or live as long as the model.
using WeightName = std::string_view;

struct NormSpec {
  WeightName weight;
  float eps = 0;
  bool centred = false;  // LayerNorm in place of RMSNorm
  uint32_t parts = 1;    // of a row, each normed alone by the same weights
  WeightName bias{};     // of a LayerNorm that has one
};

/// Which row of a table a column adds to the residual stream.
enum class RowOf {
  kPosition,  ///< That of its place in the sequence.
  kSegment    ///< That of its segment (first or second text of a pair).
};

/// A factor on queries that grows with their position: 1 + scale * ln(1 + floor(position /
/// length)), after RoPE (docs/NUMERICS.md, section 8).
struct AttentionTemperature {
  double scale = 0;  // 0: none
  uint32_t length = 0;
};

/// Three projections of one input, each with an optional bias, an optional norm, and RoPE.
struct QkvSpec {
  // No key and value: query has the rows of all three in turn. No value alone: it is the keys'
  // projection, before their norm and RoPE.
  WeightName query{}, key{}, value{};
  bool query_only = false;  // keys and values are another layer's
  WeightName query_bias{}, key_bias{}, value_bias{};
  WeightName query_norm{}, key_norm{};  // per head, before RoPE
  bool norm_whole = false;              // … over all heads together
  bool value_norm = false;              // values are normed per head, without a weight
  float norm_eps = 0;
  bool rope = true;
  uint32_t rope_set = 0;
  AttentionTemperature temperature{};
};

struct Qkv {
  Activation query, key, value;
};

struct AttentionSpec {
  float scale = 1;
  float soft_cap = 0;
  uint32_t window = 0;  // LayerKind::window
  bool causal = true;   // false: everything before and behind the column
  /// A table outside the layers, [buckets of distance, heads], added to the scores; empty: none.
  WeightName relative_bias{};
};

/// down(act(up x + up_bias)) + down_bias
struct MlpSpec {
  WeightName up, up_bias, down, down_bias;
  ops::GateActivation activation = ops::GateActivation::kGeluErf;
};

/// down(act(gate x) * (up x))
struct GatedMlpSpec {
  WeightName gate, up, down;  // no gate: up has the gate's rows, then its own
  ops::GateActivation activation = ops::GateActivation::kSilu;
  /// Where finite, gate x is replaced by relu(gate x - (its mean + cut * its deviation)).
  float cut = -std::numeric_limits<float>::infinity();
};

/// The gated MLPs of the `used` experts that `router` x gives the largest values (of equals the
/// first), weighted by the softmax of those values (docs/NUMERICS.md, section 5).
struct ExpertsSpec {
  WeightName router, gate, up, down;
  uint32_t used = 0;
  bool normalised = true;  // the softmax is over those used, not over all
  ops::GateActivation activation = ops::GateActivation::kSilu;
};

/// soft_cap(scale * (weight x))
struct LogitsSpec {
  WeightName weight;
  float scale = 1;
  float soft_cap = 0;  // 0: none
};

class LayerContext {
 public:
  virtual ~LayerContext() = default;

  /// The residual stream, [columns, model width].
  virtual Activation residual() = 0;
  /// Residual stream = rows of `table` at the columns' tokens, times `scale`.
  virtual void embed(WeightName table, float scale) = 0;
  /// Residual stream = residual stream + a row of `table` for each column.
  virtual void add_rows(WeightName table, RowOf row) = 0;
  virtual Activation norm(Activation x, const NormSpec& spec) = 0;
  virtual Qkv qkv(Activation x, const QkvSpec& spec) = 0;
  /// Appends the columns' keys and values to this layer's cache and attends over it; without keys
  /// and values, over the cache of the layer that this one reads (LayerKind::kv_of).
  virtual Activation attention(const Qkv& qkv, const AttentionSpec& spec) = 0;
  virtual Activation linear(Activation x, WeightName weight, WeightName bias = {}) = 0;
  virtual Activation gated_mlp(Activation x, const GatedMlpSpec& spec) = 0;
  virtual Activation mlp(Activation x, const MlpSpec& spec) = 0;
  virtual Activation experts(Activation x, const ExpertsSpec& spec) = 0;
  /// Rows of `table` at the columns' tokens, times `scale`.
  virtual Activation lookup(WeightName table, float scale) = 0;
  /// act(gate) * up, in gate's place.
  virtual Activation gated(Activation gate, Activation up, ops::GateActivation activation) = 0;
  /// x = (x + y) * factor
  virtual void add(Activation x, Activation y, float factor = 1) = 0;
  /// x = x * factor; by name, the factor is that weight's only value.
  virtual void scale(Activation x, float factor) = 0;
  virtual void scale_by(Activation x, WeightName factor) = 0;
  virtual Activation copy(Activation x) = 0;
  /// x = y
  virtual void assign(Activation x, Activation y) = 0;
  /// x = x * the weight's values, one by one.
  virtual void multiply_by(Activation x, WeightName factors) = 0;
  /// x = cap * tanh(x / cap)
  virtual void soft_cap(Activation x, float cap) = 0;
  /// x = x + (the column's value `index` of factors + plus) * y
  virtual void add_scaled(Activation x, Activation y, Activation factors, uint32_t index,
                          float plus = 0) = 0;
  /// x = x times what makes its root mean square that of `like`.
  virtual void match_magnitude(Activation x, Activation like) = 0;
  /// The rows of a matrix of several parts (WeightSpec::parts) that are its part `part`.
  virtual Activation linear_part(Activation x, WeightName weight, uint32_t part) = 0;
  /// `width` values from `first` on of what lives as long as the pass. embed() says how much that
  /// is, by asking for it first.
  virtual Activation kept(uint32_t first, uint32_t width) = 0;
  /// Residual stream = residual stream + scale * x; x is scaled in place.
  virtual void add_to_residual(Activation x, float scale = 1) = 0;
  /// Residual stream = x.
  virtual void replace_residual(Activation x) = 0;
  /// Logits of the columns that want them; of an encoder's pass, x itself.
  virtual void logits(Activation x, const LogitsSpec& spec) = 0;
  /// The last states of a model that has no logits.
  virtual void states(Activation x) = 0;
};

}  // namespace freehold::model
