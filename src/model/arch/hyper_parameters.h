#pragma once
// A model's numbers, read from its metadata and checked before anything is allocated by them.
// A plain value; what an architecture does not have stays at its default.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/gguf/gguf.h"
#include "ops/gated_unit/gated_unit.h"
#include "ops/rope/rope.h"
#include "ops/rope/rope_table.h"

namespace freehold::model {

/// What one layer does differently from its neighbours.
struct LayerKind {
  uint32_t window =
      0;  ///< Sliding window in positions, the column itself included; where attention is not
          ///< causal: the positions seen on either side. 0: sees everything.
  uint32_t rope_set = 0;   ///< Index into HyperParameters::rope.
  bool rope = true;        ///< Whether q and k are turned at all.
  uint32_t head_dim = 0;   ///< Of queries, keys and values; 0: the model's.
  uint32_t kv_heads = 0;   ///< 0: the model's.
  uint32_t ffn_width = 0;  ///< 0: the model's.
  /// Where finite, the gate is cut at its mean plus this many of its deviations.
  float gate_cut = -std::numeric_limits<float>::infinity();
  bool value_is_key = false;      ///< Values are the keys' projection, before their norm and RoPE.
  std::optional<uint32_t> kv_of;  ///< The earlier layer whose keys and values it reads; none: its
                                  ///< own. Such layers are the model's last.
};

/// How the states of a text's columns become what is asked of an encoder. Numbers as in the files'
/// pooling_type.
enum class Pooling : uint8_t {
  kNone = 0,   ///< Every column's state.
  kMean = 1,   ///< The mean of all.
  kFirst = 2,  ///< That of the first column ([CLS]).
  kLast = 3,   ///< That of the last column.
  kRank = 4    ///< What the classifier head says of one of these.
};

/// What a reranker or classifier computes from one pooled state: a layer with an activation, a norm
/// and a layer, each where the file has it.
struct ClassifierHead {
  bool dense = false;  // cls.weight, [width, width]
  bool dense_bias = false;
  ops::GateActivation activation = ops::GateActivation::kTanh;
  bool norm = false;     // cls.norm.weight, LayerNorm
  uint32_t outputs = 0;  // rows of cls.output.weight; 0: there is none
  bool output_bias = false;
  bool softmax = false;  // over the outputs
  Pooling pooling = Pooling::kFirst;

  bool exists() const { return dense || outputs > 0; }
};

struct HyperParameters {
  std::string architecture;
  uint32_t layers = 0;
  uint32_t width = 0;
  uint32_t heads = 0;
  uint32_t kv_heads = 0;
  uint32_t key_dim = 0;
  uint32_t value_dim = 0;
  uint32_t ffn_width = 0;
  uint32_t experts = 0;            // per layer; 0: every layer has one MLP
  uint32_t experts_used = 0;       // … by one column
  uint32_t expert_width = 0;       // ffn_width of one
  bool experts_normalised = true;  // weights of those used sum to 1
  uint32_t vocabulary = 0;
  uint32_t context_trained = 0;
  float norm_eps = 0;
  ops::RopePairing rope_pairing = ops::RopePairing::kHalves;
  std::vector<ops::RopeScaling> rope;  // one per rope set
  std::vector<LayerKind> layer_kinds;  // one per layer
  ops::GateActivation gate = ops::GateActivation::kSilu;
  float attention_scale = 0;     // formed in binary64, rounded once
  float attention_soft_cap = 0;  // 0: none
  double temperature_scale = 0;  // of queries by position (layer_context.h); 0: none
  uint32_t temperature_length = 0;
  float embedding_scale = 1;
  float residual_scale = 1;    // of what a block adds to the residual stream
  float logit_scale = 1;       // one multiplication, whatever the file's key divides by
  float logit_soft_cap = 0;    // 0: none
  bool qkv_bias = false;       // the file has biases for q, k and v
  bool output_bias = false;    // … for the attention output
  bool head_norms = false;     // q and k are normed per head before RoPE
  bool whole_norms = false;    // … over all heads together
  bool value_norm = false;     // values are normed per head, without a weight
  bool fused_qkv = false;      // one matrix for q, k and v
  bool fused_gate_up = false;  // one matrix for gate and up
  bool centred_norms = false;  // LayerNorm in place of RMSNorm
  std::string_view mlp_norm = "ffn_norm.weight";  // the norm before the MLP
  std::string_view rope_factors;  // tensor with one factor per pair for set 0; empty: none
  // LongRoPE: two such tensors; which one is used depends on the context that a run is planned for.
  std::string_view rope_factors_short, rope_factors_long;
  bool tied_output = false;      // the embedding is also the output matrix
  uint32_t per_layer_width = 0;  // of each layer's own input by token; 0: none
  uint32_t laurel_rank = 0;      // of the learned residual beside attention; 0: none
  bool layer_scale = false;      // the residual stream is multiplied by a number behind each layer
  bool causal = true;            // a column sees those before it; otherwise its whole sequence
  bool learned_positions = false;  // position_embd.weight: one row per position
  uint32_t segments = 0;           // rows of token_types.weight
  uint32_t relative_buckets = 0;   // rows of attn_rel_b.weight: biases by distance; 0: none
  bool mlp_bias = false;           // an encoder's MLP is up and down with biases, without a gate
  bool norm_bias = false;          // norms outside the layers have biases
  std::optional<Pooling> pooling;  // what the file asks for
  ClassifierHead head;

  // What a layer has where its kind does not say otherwise.
  uint32_t kv_heads_of(uint32_t layer) const {
    return layer_kinds[layer].kv_heads != 0 ? layer_kinds[layer].kv_heads : kv_heads;
  }
  uint32_t key_dim_of(uint32_t layer) const {
    return layer_kinds[layer].head_dim != 0 ? layer_kinds[layer].head_dim : key_dim;
  }
  uint32_t value_dim_of(uint32_t layer) const {
    return layer_kinds[layer].head_dim != 0 ? layer_kinds[layer].head_dim : value_dim;
  }
  uint32_t ffn_width_of(uint32_t layer) const {
    return layer_kinds[layer].ffn_width != 0 ? layer_kinds[layer].ffn_width : ffn_width;
  }
  /// The layer whose keys and values `layer` attends over.
  uint32_t cache_layer(uint32_t layer) const { return layer_kinds[layer].kv_of.value_or(layer); }
  /// Layers with keys and values of their own: the first ones.
  uint32_t cached_layers() const;
  /// Whether a run planned for `context` positions turns by the long factors (docs/NUMERICS.md,
  /// section 4): what it computes is of no use to one that does not.
  bool turns_long(uint64_t context) const {
    return !rope_factors_long.empty() && static_cast<double>(context) > rope[0].original_context;
  }
};

/// Limits on what a file may ask for, far above any model known, far below what overflows.
struct HyperParameterLimits {
  static constexpr uint32_t kLayersMax = 1024;
  static constexpr uint32_t kWidthMax = 1u << 18;
  static constexpr uint32_t kHeadsMax = 4096;
  static constexpr uint32_t kHeadDimMax = 1024;
  static constexpr uint32_t kFfnMax = 1u << 20;
  static constexpr uint32_t kVocabularyMax = 1u << 21;
  static constexpr uint32_t kContextMax = 1u << 24;
  static constexpr uint32_t kExpertsMax = 4096;
  static constexpr uint32_t kClassesMax = 4096;
  static constexpr uint32_t kExpertsUsedMax = 64;
};

/// Reads keys of one architecture (`llama.block_count`) with ranges; the first failure is kept and
/// returned by finish(), so that a reader is a plain list of fields.
class HyperParameterReader {
 public:
  HyperParameterReader(const GgufModel& file, std::string_view architecture);

  /// A required whole number in [low, high].
  uint32_t integer(std::string_view key, uint32_t low, uint32_t high);
  uint32_t integer_or(std::string_view key, uint32_t low, uint32_t high, uint32_t otherwise);
  /// A finite number in [low, high].
  double number(std::string_view key, double low, double high);
  double number_or(std::string_view key, double low, double high, double otherwise);
  std::string_view string_or(std::string_view key, std::string_view otherwise);
  bool boolean_or(std::string_view key, bool otherwise);
  bool has(std::string_view key) const;
  bool has_tensor(std::string_view name) const;
  /// Entries of a list, and a list of whole numbers or booleans; nothing where the key is no such
  /// list.
  std::optional<uint64_t> array_size(std::string_view key) const;
  std::optional<std::vector<int64_t>> integers(std::string_view key) const;
  /// One whole number in [low, high] for each of `layers` layers, from a list or from one for all.
  std::vector<uint32_t> integer_by_layer(std::string_view key, uint32_t layers, uint32_t low,
                                         uint32_t high);
  /// One number for each of `layers` layers; minus infinity is one.
  std::vector<double> numbers_by_layer(std::string_view key, uint32_t layers);
  const GgufModel& file() const { return file_; }

  /// Records a failure of a cross-check; `message` names the keys and the numbers.
  void fail(std::string message);
  /// The file is sound and asks for something that is not there yet: kRefused.
  void refuse(std::string message);
  /// Refuses keys that would change the arithmetic and that nobody reads.
  void refuse_keys(std::span<const std::string_view> keys);
  void require(bool holds, std::string_view message);
  Result<HyperParameters> finish(HyperParameters parameters);

 private:
  std::string full(std::string_view key) const;
  const GgufModel& file_;
  std::string architecture_;
  std::optional<Error> failure_;
};

/// Where an architecture's files differ from llama's in the keys that read_common() reads.
struct CommonKeys {
  std::string_view norm_eps = "attention.layer_norm_rms_epsilon";
  /// feed_forward_length and attention.head_count_kv may be lists: the largest numbers are read.
  bool by_layer = false;
  /// Keys that would change the arithmetic and that the architecture reads itself; all others of
  /// that sort are refused.
  std::span<const std::string_view> own{};
};

/// What the llama family's files share: sizes, heads, norm, RoPE with its scaling, vocabulary, tied
/// output. One rope set, no windows. Cross-checked against each other, not yet against shapes.
HyperParameters read_common(HyperParameterReader& reader, const CommonKeys& keys = {});

/// Gives every layer but the global ones the window `window`. Global is what the file's list of
/// booleans in attention.sliding_window_pattern says is not local, or every n-th layer (n - 1, 2n -
/// 1, …), n being that key's number or else `pattern`; 0: none.
void read_windows(HyperParameterReader& reader, HyperParameters& parameters, uint32_t window,
                  uint32_t pattern);

/// Classifier tensors and their keys, where the file has such.
void read_classifier_head(HyperParameterReader& reader, HyperParameters& parameters);

/// For architectures with one RoPE set: refuses a rope.freq_base_swa unlike rope.freq_base.
void refuse_second_rope_base(HyperParameterReader& reader, const HyperParameters& parameters);

/// How many experts a layer has, how many a column uses and how wide one is.
void read_experts(HyperParameterReader& reader, HyperParameters& parameters);

}  // namespace freehold::model
