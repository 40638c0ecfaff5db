#include "model_factory/model_plan.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "model_factory/vocabulary.h"

namespace freehold::factory {

namespace {

enum class Norms { kBefore, kBehind, kBoth, kOneBefore };
enum class QueryNorms { kNone, kHead, kWhole };

// What an architecture has beside the common parts. One row for each.
struct Architecture {
  std::string_view name;
  Norms norms = Norms::kBefore;  // of attention and feed-forward; kOneBefore: one for both
  QueryNorms query_norms = QueryNorms::kNone;
  bool biases = false;          // of q, k and v
  bool sliding_window = false;  // the key is written
  bool head_width_key = false;  // key_length and value_length are always written
  bool experts = false;
  bool fused_qkv = false;
  bool fused_gate_up = false;
  bool tied_output = false;   // there is no other
  bool yarn = false;          // … RoPE scaling
  bool by_layer = false;      // inputs by token for every layer, shared keys
  bool narrow_local = false;  // … narrow heads on local layers, wide MLPs where keys are shared
  bool streams = false;       // … four residual streams
  float rope_base = 10'000.0f;
  float norm_epsilon = 1e-6f;
  std::string_view mlp_norm = "ffn_norm.weight";
};

constexpr Architecture kArchitectures[] = {
    {.name = "llama", .norm_epsilon = 1e-5f},
    {.name = "qwen2", .biases = true, .rope_base = 1e6f},
    {.name = "qwen3", .query_norms = QueryNorms::kHead, .head_width_key = true, .rope_base = 1e6f},
    {.name = "qwen3moe",
     .query_norms = QueryNorms::kHead,
     .head_width_key = true,
     .experts = true,
     .rope_base = 1e6f},
    {.name = "gemma3",
     .norms = Norms::kBoth,
     .query_norms = QueryNorms::kHead,
     .sliding_window = true,
     .head_width_key = true,
     .rope_base = 1e6f},
    {.name = "gemma4",
     .norms = Norms::kBoth,
     .query_norms = QueryNorms::kHead,
     .sliding_window = true,
     .head_width_key = true,
     .tied_output = true,
     .by_layer = true,
     .narrow_local = true,
     .rope_base = 1e6f},
    {.name = "gemma3n",
     .norms = Norms::kBoth,
     .query_norms = QueryNorms::kHead,
     .sliding_window = true,
     .head_width_key = true,
     .tied_output = true,
     .by_layer = true,
     .streams = true,
     .rope_base = 1e6f},
    {.name = "gemma2",
     .norms = Norms::kBoth,
     .sliding_window = true,
     .head_width_key = true,
     .tied_output = true},
    {.name = "smollm3", .rope_base = 5e6f},
    {.name = "granite"},
    {.name = "olmo2",
     .norms = Norms::kBehind,
     .query_norms = QueryNorms::kWhole,
     .sliding_window = true,
     .rope_base = 5e5f},
    {.name = "exaone4",
     .norms = Norms::kBehind,
     .query_norms = QueryNorms::kHead,
     .sliding_window = true,
     .rope_base = 1e6f,
     .norm_epsilon = 1e-5f},
    {.name = "glm4", .norms = Norms::kBoth, .biases = true, .fused_gate_up = true},
    {.name = "seed_oss",
     .biases = true,
     .head_width_key = true,
     .rope_base = 1e7f,
     .mlp_norm = "post_attention_norm.weight"},
    {.name = "phi3",
     .sliding_window = true,
     .fused_qkv = true,
     .fused_gate_up = true,
     .norm_epsilon = 1e-5f},
    {.name = "command-r",
     .norms = Norms::kOneBefore,
     .tied_output = true,
     .rope_base = 8e6f,
     .norm_epsilon = 1e-5f},
    {.name = "ernie4_5", .head_width_key = true, .rope_base = 5e5f, .norm_epsilon = 1e-5f},
    {.name = "mistral3",
     .head_width_key = true,
     .yarn = true,
     .rope_base = 1e6f,
     .norm_epsilon = 1e-5f},
    {.name = "cohere2",
     .norms = Norms::kOneBefore,
     .sliding_window = true,
     .tied_output = true,
     .rope_base = 50'000.0f,
     .norm_epsilon = 1e-5f},
};

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == name) return &architecture;
  }
  return nullptr;
}

Error usage(std::string message, std::string hint = {}) {
  return Error{ErrorCode::kUsage, std::move(message), std::move(hint)};
}

Status check_range(std::string_view option, uint64_t value, uint64_t least, uint64_t most) {
  if (value >= least && value <= most) return {};
  return usage(fmt::format("{} is {}, not {} to {}", option, value, least, most));
}

// Options that a person may leave at zero.
Status fill_defaults(FactoryOptions& options, const Architecture& architecture) {
  if (options.head_width == 0 && options.heads != 0) {
    options.head_width = options.width / options.heads;
  }
  if (options.ffn_width == 0) options.ffn_width = 3 * options.width;
  if (options.expert_width == 0) options.expert_width = (options.width / 2 + 31) / 32 * 32;
  if (options.rope_base == 0) options.rope_base = architecture.rope_base;
  if (!(options.rope_factor >= 1.0f && options.rope_factor <= 1024.0f)) {
    return usage(fmt::format("--rope-factor is {}, not 1 to 1024", options.rope_factor));
  }
  if (architecture.yarn && options.rope_scaling == RopeScaling::kNone) {
    options.rope_scaling = RopeScaling::kYarn;
    options.rope_factor = 16.0f;
  }
  if (options.rope_original_context == 0) {
    options.rope_original_context =
        static_cast<uint32_t>(static_cast<float>(options.context) / options.rope_factor);
  }
  options.attention_biases = options.attention_biases || architecture.biases;
  options.tied_output = options.tied_output || architecture.tied_output;
  return {};
}

Status check_options(const FactoryOptions& options) {
  TRY(check_range("--layers", options.layers, 1, 10'000));
  TRY(check_range("--width", options.width, 1, 1u << 20));
  TRY(check_range("--heads", options.heads, 1, 4096));
  TRY(check_range("--kv-heads", options.kv_heads, 1, options.heads));
  TRY(check_range("--head-dim", options.head_width, 2, 4096));
  TRY(check_range("--ffn", options.ffn_width, 1, 1u << 22));
  TRY(check_range("--experts", options.experts, 1, 4096));
  TRY(check_range("--experts-used", options.experts_used, 1, options.experts));
  TRY(check_range("--expert-ffn", options.expert_width, 1, 1u << 20));
  TRY(check_range("--context", options.context, 1, 1u << 30));
  TRY(check_range("--shards", options.shards, 1, 999));
  TRY(check_range("--vocab", options.vocabulary, vocabulary_min(options.tokenizer), 1u << 24));
  if (options.heads % options.kv_heads != 0) {
    return usage(fmt::format("--heads {} is not a multiple of --kv-heads {}", options.heads,
                             options.kv_heads));
  }
  if (options.head_width % 2 != 0) {
    return usage(
        fmt::format("--head-dim is {}; rotary positions need it even", options.head_width));
  }
  if (!(options.rope_base > 0.0f && options.rope_base <= 1e9f)) {
    return usage(fmt::format("--rope-base is {}, not above 0 to 1e9", options.rope_base));
  }
  return {};
}

std::string joined(const std::vector<std::string_view>& names) {
  std::string out;
  for (const std::string_view name : names) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

// Adds tensors to a plan, knowing the layer.
class TensorList {
 public:
  explicit TensorList(ModelPlan& plan) : plan_(plan) {}

  void matrix(std::string name, uint64_t width, uint64_t rows, Role role, uint32_t layer = 0) {
    const quant::Format& format =
        matrix_format(plan_.mix, role, layer, plan_.options.layers, width);
    const Fill fill = role == Role::kOutput ? Fill::kLogits : Fill::kMatrix;
    plan_.tensors.push_back({{std::move(name), {width, rows}, &format}, fill});
  }
  /// One matrix an expert.
  void experts(std::string name, uint64_t width, uint64_t rows, Role role, uint32_t layer) {
    const quant::Format& format =
        matrix_format(plan_.mix, role, layer, plan_.options.layers, width);
    plan_.tensors.push_back(
        {{std::move(name), {width, rows, plan_.options.experts}, &format}, Fill::kMatrix});
  }
  /// One square matrix for each stream but the first.
  void streams(std::string name, uint64_t width) {
    const quant::Format& format =
        matrix_format(plan_.mix, Role::kOther, 0, plan_.options.layers, width);
    plan_.tensors.push_back({{std::move(name), {width, width, 3}, &format}, Fill::kMatrix});
  }
  /// In f32 whatever the mix, with logits apart enough that experts are not chosen by chance.
  void router(std::string name, uint64_t width, uint64_t rows) {
    plan_.tensors.push_back(
        {{std::move(name), {width, rows}, &quant::format(quant::FormatId::F32)}, Fill::kLogits});
  }
  void vector(std::string name, uint64_t width, Fill fill) {
    plan_.tensors.push_back(
        {{std::move(name), {width}, &quant::format(quant::FormatId::F32)}, fill});
  }

 private:
  ModelPlan& plan_;
};

// Of models whose layers differ in more than their window (Gemma 4's small ones): the second of
// every three layers is global, the last two fifths read the keys of earlier ones.
bool is_global(uint32_t layer) { return layer % 3 == 1; }
uint32_t layers_with_keys(const FactoryOptions& o) { return o.layers - o.layers * 2 / 5; }
constexpr uint32_t kStreams = 4;
uint32_t layer_input_width(const FactoryOptions& o) { return (o.width / 8 + 31) / 32 * 32; }

void add_layer_inputs(TensorList& list, const FactoryOptions& o) {
  const uint64_t width = layer_input_width(o);
  list.matrix("per_layer_token_embd.weight", o.layers * width, o.vocabulary, Role::kEmbedding);
  list.matrix("per_layer_model_proj.weight", o.width, o.layers * width, Role::kOther);
  list.vector("per_layer_proj_norm.weight", width, Fill::kNorm);
}

// What Gemma 3n's four streams need in a layer, and Laurel of rank 32 beside attention.
void add_stream_block(TensorList& list, const FactoryOptions& o, uint32_t layer) {
  const auto name = [&](std::string_view part) { return fmt::format("blk.{}.{}", layer, part); };
  list.vector(name("altup_router_norm.weight"), o.width, Fill::kNorm);
  list.matrix(name("altup_router.weight"), o.width, kStreams, Role::kOther, layer);
  list.matrix(name("altup_predict_coef.weight"), kStreams, kStreams * kStreams, Role::kOther,
              layer);
  list.matrix(name("altup_correct_coef.weight"), kStreams, kStreams, Role::kOther, layer);
  list.vector(name("altup_correct_scale.weight"), o.width, Fill::kNorm);
  list.matrix(name("laurel_l.weight"), o.width, 32, Role::kOther, layer);
  list.matrix(name("laurel_r.weight"), 32, o.width, Role::kOther, layer);
  list.vector(name("laurel_post_norm.weight"), o.width, Fill::kNorm);
}

void add_layer_input_block(TensorList& list, const FactoryOptions& o, uint32_t layer) {
  const auto name = [&](std::string_view part) { return fmt::format("blk.{}.{}", layer, part); };
  list.matrix(name("inp_gate.weight"), o.width, layer_input_width(o), Role::kOther, layer);
  list.matrix(name("proj.weight"), layer_input_width(o), o.width, Role::kOther, layer);
  list.vector(name("post_norm.weight"), o.width, Fill::kNorm);
}

void add_layer(TensorList& list, const FactoryOptions& options, const Architecture& architecture,
               uint32_t layer) {
  FactoryOptions o = options;
  const bool own_keys = !architecture.by_layer || layer < layers_with_keys(o);
  if (architecture.narrow_local && !is_global(layer)) o.head_width /= 2;
  if (architecture.narrow_local && !own_keys) o.ffn_width *= 2;
  const auto name = [&](std::string_view part) { return fmt::format("blk.{}.{}", layer, part); };
  const uint64_t query = static_cast<uint64_t>(o.heads) * o.head_width;
  const uint64_t key = static_cast<uint64_t>(o.kv_heads) * o.head_width;
  if (architecture.norms != Norms::kBehind) {
    list.vector(name("attn_norm.weight"), o.width, Fill::kNorm);
  }
  if (architecture.fused_qkv) {
    list.matrix(name("attn_qkv.weight"), o.width, query + 2 * key, Role::kOther, layer);
  } else {
    list.matrix(name("attn_q.weight"), o.width, query, Role::kOther, layer);
    if (own_keys) list.matrix(name("attn_k.weight"), o.width, key, Role::kOther, layer);
    if (own_keys) list.matrix(name("attn_v.weight"), o.width, key, Role::kAttentionValue, layer);
  }
  if (o.attention_biases) {
    list.vector(name("attn_q.bias"), query, Fill::kBias);
    list.vector(name("attn_k.bias"), key, Fill::kBias);
    list.vector(name("attn_v.bias"), key, Fill::kBias);
  }
  if (architecture.query_norms != QueryNorms::kNone) {
    const bool whole = architecture.query_norms == QueryNorms::kWhole;
    list.vector(name("attn_q_norm.weight"), whole ? query : o.head_width, Fill::kNorm);
    if (own_keys) {
      list.vector(name("attn_k_norm.weight"), whole ? key : o.head_width, Fill::kNorm);
    }
  }
  list.matrix(name("attn_output.weight"), query, o.width, Role::kAttentionOutput, layer);
  const bool behind = architecture.norms == Norms::kBoth || architecture.norms == Norms::kBehind;
  if (behind) list.vector(name("post_attention_norm.weight"), o.width, Fill::kNorm);
  if (architecture.norms == Norms::kBoth || architecture.norms == Norms::kBefore) {
    list.vector(name(architecture.mlp_norm), o.width, Fill::kNorm);
  }
  if (architecture.experts) {
    list.router(name("ffn_gate_inp.weight"), o.width, o.experts);
    list.experts(name("ffn_gate_exps.weight"), o.width, o.expert_width, Role::kOther, layer);
    list.experts(name("ffn_up_exps.weight"), o.width, o.expert_width, Role::kOther, layer);
    list.experts(name("ffn_down_exps.weight"), o.expert_width, o.width, Role::kFfnDown, layer);
  } else {
    if (!architecture.fused_gate_up) {
      list.matrix(name("ffn_gate.weight"), o.width, o.ffn_width, Role::kOther, layer);
    }
    const uint64_t up_rows =
        static_cast<uint64_t>(o.ffn_width) * (architecture.fused_gate_up ? 2 : 1);
    list.matrix(name("ffn_up.weight"), o.width, up_rows, Role::kOther, layer);
    list.matrix(name("ffn_down.weight"), o.ffn_width, o.width, Role::kFfnDown, layer);
  }
  if (behind) list.vector(name("post_ffw_norm.weight"), o.width, Fill::kNorm);
  if (architecture.by_layer) add_layer_input_block(list, o, layer);
  if (architecture.narrow_local) list.vector(name("layer_output_scale.weight"), 1, Fill::kNorm);
  if (architecture.streams) add_stream_block(list, o, layer);
}

void add_rope_keys(model::GgufHeader& header, const FactoryOptions& o) {
  const std::string prefix = o.architecture + ".rope.";
  header.add_float(prefix + "freq_base", o.rope_base);
  const bool half = o.architecture == "glm4";
  header.add_unsigned(prefix + "dimension_count", half ? o.head_width / 2 : o.head_width);
  if (o.rope_scaling == RopeScaling::kNone || o.rope_scaling == RopeScaling::kLlama3) return;
  const bool yarn = o.rope_scaling == RopeScaling::kYarn;
  header.add_string(prefix + "scaling.type", yarn ? "yarn" : "linear");
  header.add_float(prefix + "scaling.factor", o.rope_factor);
  if (yarn) {
    header.add_unsigned(prefix + "scaling.original_context_length", o.rope_original_context);
  }
}

// Factors and caps that some architectures apply, of the published models' sizes.
void add_factor_keys(model::GgufHeader& header, const FactoryOptions& o) {
  const std::string prefix = o.architecture + ".";
  if (o.architecture == "gemma2") {
    header.add_float(prefix + "attn_logit_softcapping", 50.0f);
    header.add_float(prefix + "final_logit_softcapping", 30.0f);
  } else if (o.architecture == "granite") {
    header.add_float(prefix + "attention.scale", 0.015625f);
    header.add_float(prefix + "embedding_scale", 12.0f);
    header.add_float(prefix + "residual_scale", 0.22f);
    header.add_float(prefix + "logit_scale", 8.0f);
  } else if (o.architecture == "mistral3") {
    header.add_float(prefix + "attention.temperature_scale", 0.1f);
    header.add_float(prefix + "rope.scaling.yarn_log_multiplier", 1.0f);
  } else if (o.architecture == "cohere2" || o.architecture == "command-r") {
    header.add_float(prefix + "logit_scale", 0.25f);
  }
}

void add_by_layer_keys(model::GgufHeader& header, const FactoryOptions& o, bool narrow_local) {
  const std::string prefix = o.architecture + ".";
  std::vector<int32_t> is_local;
  std::vector<int32_t> ffn_widths;
  std::vector<float> cuts;  // of every second gate, at 80 %
  for (uint32_t layer = 0; layer < o.layers; ++layer) {
    is_local.push_back(is_global(layer) ? 0 : 1);
    const bool wide = narrow_local && layer >= layers_with_keys(o);
    ffn_widths.push_back(static_cast<int32_t>(o.ffn_width * (wide ? 2 : 1)));
    cuts.push_back(layer % 2 == 0 ? 0.8416212f : -std::numeric_limits<float>::infinity());
  }
  header.add_integers(prefix + "feed_forward_length", ffn_widths);
  header.add_integers(prefix + "attention.sliding_window_pattern", is_local);
  header.add_unsigned(prefix + "attention.shared_kv_layers", o.layers - layers_with_keys(o));
  header.add_unsigned(prefix + "embedding_length_per_layer_input", layer_input_width(o));
  if (!narrow_local) {
    header.add_unsigned(prefix + "altup.num_inputs", kStreams);
    header.add_unsigned(prefix + "altup.active_idx", 0);
    header.add_floats(prefix + "activation_sparsity_scale", cuts);
    return;
  }
  header.add_unsigned(prefix + "attention.key_length_swa", o.head_width / 2);
  header.add_unsigned(prefix + "attention.value_length_swa", o.head_width / 2);
  header.add_unsigned(prefix + "rope.dimension_count_swa", o.head_width / 2);
}

void add_tokenizer_keys(model::GgufHeader& header, const FactoryOptions& o) {
  const Vocabulary vocabulary = make_vocabulary(o.tokenizer, o.vocabulary, o.seed);
  header.add_string("tokenizer.ggml.model", vocabulary.model);
  if (o.tokenizer == TokenizerKind::kNone) return;
  header.add_string("tokenizer.ggml.pre", vocabulary.pre);
  header.add_strings("tokenizer.ggml.tokens", vocabulary.tokens);
  if (!vocabulary.scores.empty()) header.add_floats("tokenizer.ggml.scores", vocabulary.scores);
  header.add_integers("tokenizer.ggml.token_type", vocabulary.types);
  if (!vocabulary.merges.empty()) header.add_strings("tokenizer.ggml.merges", vocabulary.merges);
  const auto id = [&](std::string_view key, int32_t token) {
    if (token >= 0) header.add_unsigned(key, static_cast<uint32_t>(token));
  };
  id("tokenizer.ggml.bos_token_id", vocabulary.bos);
  id("tokenizer.ggml.eos_token_id", vocabulary.eos);
  id("tokenizer.ggml.unknown_token_id", vocabulary.unknown);
  header.add_bool("tokenizer.ggml.add_bos_token", vocabulary.adds_bos);
  header.add_string("tokenizer.chat_template", vocabulary.chat_template);
}

}  // namespace

std::vector<std::string_view> architectures() {
  std::vector<std::string_view> names;
  for (const Architecture& architecture : kArchitectures) names.push_back(architecture.name);
  return names;
}

Result<ModelPlan> make_plan(const FactoryOptions& options) {
  const Architecture* architecture = find_architecture(options.architecture);
  if (architecture == nullptr) {
    return usage(fmt::format("no architecture '{}'", options.architecture),
                 "There are: " + joined(architectures()));
  }
  const auto mix = find_mix(options.type);
  if (!mix) {
    return usage(fmt::format("no weight type '{}'", options.type), "There are: " + joined(types()));
  }
  ModelPlan plan{options, *mix, {}};
  FactoryOptions& o = plan.options;
  TRY(fill_defaults(o, *architecture));
  TRY(check_options(o));

  TensorList list(plan);
  list.matrix("token_embd.weight", o.width, o.vocabulary,
              o.tied_output ? Role::kOutput : Role::kEmbedding);
  if (o.rope_scaling == RopeScaling::kLlama3) {
    list.vector("rope_freqs.weight", o.head_width / 2, Fill::kRopeFactors);
  }
  if (architecture->by_layer) add_layer_inputs(list, o);
  if (architecture->narrow_local) {
    // Three of four pairs of global heads are hardly turned.
    list.vector("rope_freqs.weight", o.head_width / 2, Fill::kSlowPairs);
  }
  if (architecture->streams) {
    list.streams("altup_proj.weight", o.width);
    list.streams("altup_unembd_proj.weight", o.width);
  }
  for (uint32_t layer = 0; layer < o.layers; ++layer) add_layer(list, o, *architecture, layer);
  list.vector("output_norm.weight", o.width, Fill::kNorm);
  if (!o.tied_output) list.matrix("output.weight", o.width, o.vocabulary, Role::kOutput);
  return plan;
}

void add_keys(model::GgufHeader& header, const ModelPlan& plan) {
  const FactoryOptions& o = plan.options;
  const Architecture& architecture = *find_architecture(o.architecture);
  const auto key = [&](std::string_view part) {
    return fmt::format("{}.{}", o.architecture, part);
  };
  header.add_string("general.architecture", o.architecture);
  header.add_string("general.type", "model");
  header.add_string("general.name", o.name);
  header.add_unsigned("general.quantization_version", 2);
  header.add_unsigned("general.file_type", plan.mix.file_type);
  header.add_unsigned(key("block_count"), o.layers);
  header.add_unsigned(key("context_length"), o.context);
  header.add_unsigned(key("embedding_length"), o.width);
  if (!architecture.by_layer) header.add_unsigned(key("feed_forward_length"), o.ffn_width);
  header.add_unsigned(key("attention.head_count"), o.heads);
  header.add_unsigned(key("attention.head_count_kv"), o.kv_heads);
  header.add_float(
      key(architecture.norms == Norms::kOneBefore ? "attention.layer_norm_epsilon"
                                                  : "attention.layer_norm_rms_epsilon"),
      architecture.norm_epsilon);
  if (architecture.head_width_key || o.head_width * o.heads != o.width) {
    header.add_unsigned(key("attention.key_length"), o.head_width);
    header.add_unsigned(key("attention.value_length"), o.head_width);
  }
  if (architecture.experts) {
    header.add_unsigned(key("expert_count"), o.experts);
    header.add_unsigned(key("expert_used_count"), o.experts_used);
    header.add_unsigned(key("expert_feed_forward_length"), o.expert_width);
  }
  if (architecture.sliding_window) {
    header.add_unsigned(key("attention.sliding_window"), o.sliding_window);
  }
  if (architecture.by_layer) add_by_layer_keys(header, o, architecture.narrow_local);
  add_factor_keys(header, o);
  header.add_unsigned(key("vocab_size"), o.vocabulary);
  add_rope_keys(header, o);
  add_tokenizer_keys(header, o);
}

// Llama 3.1's rule with its own constants (low 1, high 4); llama.cpp's converter stores the result.
std::vector<float> llama3_rope_factors(const FactoryOptions& options) {
  constexpr double kLow = 1.0, kHigh = 4.0, kTwoPi = 6.283185307179586;
  const double original = options.rope_original_context;
  std::vector<float> factors;
  for (uint32_t i = 0; i < options.head_width / 2; ++i) {
    const double frequency =
        std::pow(static_cast<double>(options.rope_base), -2.0 * i / options.head_width);
    const double wave = kTwoPi / frequency;
    double factor = options.rope_factor;
    if (wave < original / kHigh) {
      factor = 1.0;
    } else if (wave <= original / kLow) {
      const double smooth = (original / wave - kLow) / (kHigh - kLow);
      factor = 1.0 / ((1.0 - smooth) / static_cast<double>(options.rope_factor) + smooth);
    }
    factors.push_back(static_cast<float>(factor));
  }
  return factors;
}

}  // namespace freehold::factory
