#include "model/arch/hyper_parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace freehold::model {

namespace {

constexpr std::string_view kHint =
    "the file is damaged, or made for a newer program; fetch it again or update freehold";

}  // namespace

uint32_t HyperParameters::cached_layers() const {
  uint32_t count = 0;
  for (const LayerKind& kind : layer_kinds) count += kind.kv_of.has_value() ? 0 : 1;
  return count;
}

HyperParameterReader::HyperParameterReader(const GgufModel& file, std::string_view architecture)
    : file_(file), architecture_(architecture) {}

std::string HyperParameterReader::full(std::string_view key) const {
  return fmt::format("{}.{}", architecture_, key);
}

bool HyperParameterReader::has(std::string_view key) const {
  return file_.metadata().contains(full(key));
}

std::optional<uint64_t> HyperParameterReader::array_size(std::string_view key) const {
  return file_.metadata().array_size(full(key));
}

std::optional<std::vector<int64_t>> HyperParameterReader::integers(std::string_view key) const {
  return file_.metadata().find_integers(full(key));
}

bool HyperParameterReader::has_tensor(std::string_view name) const {
  return file_.find(name) != nullptr;
}

void HyperParameterReader::fail(std::string message) {
  if (!failure_) failure_ = Error{ErrorCode::kDamaged, std::move(message), std::string(kHint)};
}

void HyperParameterReader::refuse(std::string message) {
  if (!failure_) {
    failure_ =
        Error{ErrorCode::kRefused, std::move(message), "use another model, or update freehold"};
  }
}

void HyperParameterReader::refuse_keys(std::span<const std::string_view> keys) {
  for (const std::string_view key : keys) {
    const auto value = file_.metadata().find_float(full(key));
    if (!has(key) || (value && (*value == 0 || *value == 1))) continue;
    refuse(fmt::format("'{}' is not there yet", full(key)));
  }
}

void HyperParameterReader::require(bool holds, std::string_view message) {
  if (!holds) fail(std::string(message));
}

uint32_t HyperParameterReader::integer(std::string_view key, uint32_t low, uint32_t high) {
  if (!has(key)) {
    fail(fmt::format("the model's metadata has no '{}'", full(key)));
    return low;
  }
  return integer_or(key, low, high, low);
}

uint32_t HyperParameterReader::integer_or(std::string_view key, uint32_t low, uint32_t high,
                                          uint32_t otherwise) {
  const std::string name = full(key);
  if (!file_.metadata().contains(name)) return otherwise;
  std::optional<uint64_t> value = file_.metadata().find_unsigned(name);
  if (!value) {
    // Some converters write one number per layer; it is one number to us where all are equal.
    const bool short_enough =
        file_.metadata().array_size(name).value_or(0) <= HyperParameterLimits::kLayersMax;
    const auto list = short_enough ? file_.metadata().find_integers(name) : std::nullopt;
    if (list && !list->empty()) {
      bool same = list->front() >= 0;
      for (const int64_t entry : *list) same = same && entry == list->front();
      if (same) value = static_cast<uint64_t>(list->front());
    }
  }
  if (!value || *value < low || *value > high) {
    fail(fmt::format("'{}' is {}, not a whole number from {} to {}", name,
                     file_.metadata().describe(name), low, high));
    return low;
  }
  return static_cast<uint32_t>(*value);
}

std::vector<uint32_t> HyperParameterReader::integer_by_layer(std::string_view key, uint32_t layers,
                                                             uint32_t low, uint32_t high) {
  const auto count = array_size(key);
  if (!count) return std::vector<uint32_t>(layers, integer(key, low, high));
  const auto list = *count == layers ? integers(key) : std::nullopt;
  std::vector<uint32_t> out;
  for (const int64_t entry : list.value_or(std::vector<int64_t>{})) {
    if (entry >= low && entry <= high) out.push_back(static_cast<uint32_t>(entry));
  }
  if (out.size() == layers) return out;
  fail(fmt::format("'{}' is {}, not a whole number from {} to {} for each of {} layers", full(key),
                   file_.metadata().describe(full(key)), low, high, layers));
  return std::vector<uint32_t>(layers, low);
}

std::vector<double> HyperParameterReader::numbers_by_layer(std::string_view key, uint32_t layers) {
  const bool as_many = array_size(key).value_or(0) == layers;
  const auto list = as_many ? file_.metadata().find_floats(full(key)) : std::nullopt;
  if (list && std::all_of(list->begin(), list->end(), [](double entry) { return entry < 1e6; })) {
    return *list;
  }
  fail(fmt::format("'{}' is no list of numbers, one for each of {} layers", full(key), layers));
  return std::vector<double>(layers, 0);
}

double HyperParameterReader::number(std::string_view key, double low, double high) {
  if (!has(key)) {
    fail(fmt::format("the model's metadata has no '{}'", full(key)));
    return low;
  }
  return number_or(key, low, high, low);
}

double HyperParameterReader::number_or(std::string_view key, double low, double high,
                                       double otherwise) {
  const std::string name = full(key);
  if (!file_.metadata().contains(name)) return otherwise;
  const auto value = file_.metadata().find_float(name);
  if (!value || !std::isfinite(*value) || *value < low || *value > high) {
    fail(fmt::format("'{}' is {}, not a number from {} to {}", name,
                     file_.metadata().describe(name), low, high));
    return low;
  }
  return *value;
}

std::string_view HyperParameterReader::string_or(std::string_view key, std::string_view otherwise) {
  return file_.metadata().find_string(full(key)).value_or(otherwise);
}

bool HyperParameterReader::boolean_or(std::string_view key, bool otherwise) {
  const std::string name = full(key);
  if (!file_.metadata().contains(name)) return otherwise;
  const auto value = file_.metadata().find_bool(name);
  if (!value)
    fail(fmt::format("'{}' is {}, not true or false", name, file_.metadata().describe(name)));
  return value.value_or(otherwise);
}

Result<HyperParameters> HyperParameterReader::finish(HyperParameters parameters) {
  if (parameters.experts == 0 && integer_or("expert_count", 0, 65536, 0) > 0) {
    refuse(
        fmt::format("experts in '{}' are not there yet (expert_count is above 0)", architecture_));
  }
  if (failure_) return *failure_;
  return parameters;
}

namespace {

/// A file may name YaRN's magnitude in place of the rule for it: some do, with what the rule gives.
void refuse_other_yarn_magnitude(HyperParameterReader& reader, double factor) {
  const double rule = factor > 1 ? 1 + 0.1 * std::log(factor) : 1;
  const double named = reader.number_or("rope.scaling.yarn_attn_factor", 0, 1e6, rule);
  if (std::fabs(named - rule) > 1e-5 * rule) {
    reader.refuse(
        fmt::format("a 'rope.scaling.yarn_attn_factor' of {} is not there yet; {} follows from "
                    "the scaling factor",
                    named, rule));
  }
}

/// RoPE scaling as the field's converter writes it; Llama 3's comes as per-pair factors in a
/// tensor.
ops::RopeScaling read_rope(HyperParameterReader& reader, uint32_t key_dim, uint32_t context) {
  using Limits = HyperParameterLimits;
  ops::RopeScaling rope;
  rope.rotary_dim = reader.integer_or("rope.dimension_count", 2, key_dim, key_dim);
  reader.require(rope.rotary_dim % 2 == 0, "rope.dimension_count is odd");
  rope.freq_base = reader.number_or("rope.freq_base", 1.0, 1e12, 10000.0);
  const std::string_view type = reader.string_or("rope.scaling.type", "none");
  // Old files say rope.scale_linear; it means the same as a linear factor.
  const double old_factor = reader.number_or("rope.scale_linear", 1e-6, 1e6, 1.0);
  rope.factor = reader.number_or("rope.scaling.factor", 1e-6, 1e6, old_factor);
  rope.original_context =
      reader.integer_or("rope.scaling.original_context_length", 1, Limits::kContextMax, context);
  rope.attention_factor = reader.number_or("rope.scaling.attn_factor", 1e-6, 1e6, 1.0);
  rope.beta_fast = reader.number_or("rope.scaling.yarn_beta_fast", 0, 1e6, 32.0);
  rope.beta_slow = reader.number_or("rope.scaling.yarn_beta_slow", 0, 1e6, 1.0);
  if (type == "none") {
    rope.kind = rope.factor != 1.0 && reader.has("rope.scale_linear")
                    ? ops::RopeScalingKind::kLinear
                    : ops::RopeScalingKind::kNone;
  } else if (type == "linear") {
    rope.kind = ops::RopeScalingKind::kLinear;
  } else if (type == "yarn") {
    rope.kind = ops::RopeScalingKind::kYarn;
    refuse_other_yarn_magnitude(reader, rope.factor);
  } else {
    reader.refuse(
        fmt::format("RoPE scaling {} is not there yet; none, linear, yarn and per-pair "
                    "factors (Llama 3) are",
                    base::printable(type)));
  }
  return rope;
}

}  // namespace

HyperParameters read_common(HyperParameterReader& reader, const CommonKeys& keys) {
  using Limits = HyperParameterLimits;
  HyperParameters out;
  out.layers = reader.integer("block_count", 1, Limits::kLayersMax);
  out.width = reader.integer("embedding_length", 1, Limits::kWidthMax);
  out.heads = reader.integer("attention.head_count", 1, Limits::kHeadsMax);
  const auto largest = [&](std::string_view key, uint32_t high) {
    const auto all = reader.integer_by_layer(key, out.layers, 1, high);
    return *std::max_element(all.begin(), all.end());
  };
  out.kv_heads =
      keys.by_layer ? largest("attention.head_count_kv", Limits::kHeadsMax)
                    : reader.integer_or("attention.head_count_kv", 1, Limits::kHeadsMax, out.heads);
  reader.require(out.heads % out.kv_heads == 0,
                 "attention.head_count is not a multiple of attention.head_count_kv");
  const uint32_t even_share = out.width / out.heads;
  out.key_dim = reader.integer_or("attention.key_length", 1, Limits::kHeadDimMax, even_share);
  out.value_dim = reader.integer_or("attention.value_length", 1, Limits::kHeadDimMax, out.key_dim);
  reader.require(out.key_dim >= 2 && out.key_dim <= Limits::kHeadDimMax && out.key_dim % 2 == 0,
                 "the head dimension is not an even number from 2 to 1024");
  out.ffn_width = keys.by_layer ? largest("feed_forward_length", Limits::kFfnMax)
                                : reader.integer("feed_forward_length", 1, Limits::kFfnMax);
  out.context_trained = reader.integer("context_length", 1, Limits::kContextMax);
  out.norm_eps = static_cast<float>(reader.number(keys.norm_eps, 0.0, 1.0));
  out.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(out.key_dim)));
  static constexpr std::string_view kUnread[] = {"logit_scale",
                                                 "residual_scale",
                                                 "embedding_scale",
                                                 "attention.scale",
                                                 "attention.clamp_kqv",
                                                 "attention.max_alibi_bias",
                                                 "attention.temperature_scale",
                                                 "attention.temperature_length",
                                                 "attn_logit_softcapping",
                                                 "rope.scaling.yarn_ext_factor",
                                                 "rope.scaling.yarn_log_multiplier",
                                                 "use_parallel_residual"};
  for (const std::string_view key : kUnread) {
    if (std::find(keys.own.begin(), keys.own.end(), key) == keys.own.end()) {
      reader.refuse_keys({&key, 1});
    }
  }

  const TensorInfo* embedding = reader.file().find("token_embd.weight");
  if (embedding == nullptr) {
    reader.fail("the model has no tensor 'token_embd.weight'");
  } else if (embedding->rows() > Limits::kVocabularyMax) {
    reader.fail(fmt::format("the vocabulary has {} rows, more than {}", embedding->rows(),
                            Limits::kVocabularyMax));
  } else {
    out.vocabulary = static_cast<uint32_t>(embedding->rows());
  }
  const auto tokens = reader.file().metadata().array_size("tokenizer.ggml.tokens");
  if (tokens && *tokens != out.vocabulary) {
    reader.fail(fmt::format("the tokenizer has {} tokens, 'token_embd.weight' {} rows", *tokens,
                            out.vocabulary));
  }
  out.tied_output = !reader.has_tensor("output.weight");
  if (reader.has("pooling_type")) {
    out.pooling = static_cast<Pooling>(
        reader.integer("pooling_type", 0, static_cast<uint32_t>(Pooling::kRank)));
  }
  read_classifier_head(reader, out);
  out.rope.push_back(read_rope(reader, out.key_dim, out.context_trained));
  out.layer_kinds.assign(out.layers, LayerKind{});
  return out;
}

void read_windows(HyperParameterReader& reader, HyperParameters& parameters, uint32_t window,
                  uint32_t pattern) {
  constexpr std::string_view kKey = "attention.sliding_window_pattern";
  if (const auto count = reader.array_size(kKey); count.has_value()) {
    // A list may be as long as the file: its length is checked before it is read.
    const auto list = *count == parameters.layers ? reader.integers(kKey) : std::nullopt;
    if (!list) {
      reader.fail(fmt::format("'{}' has {} entries and not one for each of {} layers", kKey, *count,
                              parameters.layers));
      return;
    }
    for (uint32_t layer = 0; layer < parameters.layers; ++layer) {
      parameters.layer_kinds[layer].window = (*list)[layer] != 0 ? window : 0;
    }
    return;
  }
  const uint32_t n = reader.integer_or(kKey, 0, HyperParameterLimits::kLayersMax, pattern);
  for (uint32_t layer = 0; layer < parameters.layers; ++layer) {
    const bool global = n != 0 && layer % n == n - 1;
    parameters.layer_kinds[layer].window = global ? 0 : window;
  }
}

void read_classifier_head(HyperParameterReader& reader, HyperParameters& parameters) {
  ClassifierHead& head = parameters.head;
  head.dense = reader.has_tensor("cls.weight");
  head.dense_bias = reader.has_tensor("cls.bias");
  head.norm = reader.has_tensor("cls.norm.weight");
  head.output_bias = reader.has_tensor("cls.output.bias");
  const TensorInfo* const output = reader.file().find("cls.output.weight");
  if (output != nullptr) {
    head.outputs = static_cast<uint32_t>(
        std::min<uint64_t>(output->rows(), HyperParameterLimits::kClassesMax + 1));
    reader.require(output->rows() <= HyperParameterLimits::kClassesMax,
                   "cls.output.weight has more than 4096 rows");
  }
  // What the field's rerankers on language models do: the last column's "yes" against its "no".
  if (parameters.causal && head.outputs == 2) {
    head.softmax = true;
    head.pooling = Pooling::kLast;
  }
}

void refuse_second_rope_base(HyperParameterReader& reader, const HyperParameters& parameters) {
  const double base = parameters.rope[0].freq_base;
  if (reader.number_or("rope.freq_base_swa", 1.0, 1e12, base) != base) {
    reader.refuse("a RoPE base of the sliding-window layers' own is not there yet");
  }
}

void read_experts(HyperParameterReader& reader, HyperParameters& parameters) {
  using Limits = HyperParameterLimits;
  parameters.experts = reader.integer("expert_count", 1, Limits::kExpertsMax);
  parameters.experts_used = reader.integer("expert_used_count", 1, Limits::kExpertsUsedMax);
  reader.require(parameters.experts_used <= parameters.experts,
                 "expert_used_count is above expert_count");
  parameters.expert_width = reader.integer("expert_feed_forward_length", 1, Limits::kFfnMax);
}

}  // namespace freehold::model
