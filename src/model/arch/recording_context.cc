#include "model/arch/recording_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace freehold::model {

RecordingContext::RecordingContext(const HyperParameters& parameters,
                                   const std::vector<WeightSpec>& specs)
    : parameters_(parameters) {
  for (const WeightSpec& spec : specs) specs_.emplace(spec.name, &spec);
}

void RecordingContext::enter(int32_t layer) {
  layer_ = layer;
  embedding_ = false;
  next_id_ = kFirstId;
  values_ = 0;
}

void RecordingContext::note(std::string problem) {
  if (problem_.empty()) problem_ = std::move(problem);
}

Activation RecordingContext::make(uint64_t width) {
  values_ += width;
  values_max_ = std::max(values_max_, values_);
  activations_max_ = std::max(activations_max_, next_id_);
  return {next_id_++, static_cast<uint32_t>(width)};
}

Activation RecordingContext::part(uint64_t width) {
  activations_max_ = std::max(activations_max_, next_id_);
  return {next_id_++, static_cast<uint32_t>(width)};
}

const WeightSpec* RecordingContext::use(WeightName name) {
  const std::string full = layer_ == WeightSpec::kNoLayer
                               ? std::string(name)
                               : layer_name(static_cast<uint32_t>(layer_), name);
  const auto found = specs_.find(full);
  if (found == specs_.end()) {
    note(fmt::format("'{}' is used and not listed", full));
    return nullptr;
  }
  if (!seen_[full]) {
    seen_[full] = true;
    used_.push_back(full);
  }
  return found->second;
}

uint64_t RecordingContext::use_matrix(WeightName name, Activation x) {
  const WeightSpec* spec = use(name);
  if (spec == nullptr) return 0;
  if (spec->width != x.width) {
    note(fmt::format("'{}' is {} wide and multiplies {} values", spec->name, spec->width, x.width));
  }
  return spec->rows;
}

void RecordingContext::use_vector(WeightName name, uint64_t width) {
  if (name.empty()) return;
  const WeightSpec* spec = use(name);
  if (spec != nullptr && spec->width != width) {
    note(fmt::format("'{}' has {} values where {} are needed", spec->name, spec->width, width));
  }
}

void RecordingContext::embed(WeightName table, float) {
  if (use_matrix(table, residual()) != parameters_.vocabulary) {
    note(fmt::format("'{}' has not one row per token", table));
  }
}

void RecordingContext::use_table(WeightName name, uint64_t width) {
  const int32_t layer = std::exchange(layer_, WeightSpec::kNoLayer);
  use_vector(name, width);
  layer_ = layer;
}

void RecordingContext::add_rows(WeightName table, RowOf) { use_table(table, parameters_.width); }

Activation RecordingContext::norm(Activation x, const NormSpec& spec) {
  if (x.width % spec.parts != 0) note(fmt::format("'{}' does not divide its input", spec.weight));
  use_vector(spec.weight, x.width / spec.parts);
  use_vector(spec.bias, x.width / spec.parts);
  return make(x.width);
}

Qkv RecordingContext::qkv(Activation x, const QkvSpec& spec) {
  const HyperParameters& p = parameters_;
  const auto layer = static_cast<uint32_t>(layer_);
  const uint64_t key_dim = p.key_dim_of(layer);
  const bool fused = spec.key.empty() && !spec.query_only;
  const uint64_t all_rows = use_matrix(spec.query, x);
  uint64_t query_rows = all_rows;
  uint64_t key_rows = 0;
  uint64_t value_rows = 0;
  if (fused) {
    query_rows = p.heads * key_dim;
    key_rows = p.kv_heads_of(layer) * key_dim;
    value_rows = uint64_t{p.kv_heads_of(layer)} * p.value_dim_of(layer);
    if (all_rows != query_rows + key_rows + value_rows) {
      note(fmt::format("'{}' has not the rows of q, k and v", spec.query));
    }
  } else if (!spec.query_only) {
    key_rows = use_matrix(spec.key, x);
    value_rows = spec.value.empty() ? key_rows : use_matrix(spec.value, x);
  }
  use_vector(spec.query_bias, query_rows);
  use_vector(spec.key_bias, key_rows);
  use_vector(spec.value_bias, value_rows);
  use_vector(spec.query_norm, spec.norm_whole ? query_rows : key_dim);
  use_vector(spec.key_norm, spec.norm_whole ? key_rows : key_dim);
  if (spec.rope && spec.rope_set >= parameters_.rope.size()) note("RoPE set out of range");
  if (fused) {
    make(all_rows);
    return {part(query_rows), part(key_rows), part(value_rows)};
  }
  if (spec.query_only) return {make(query_rows), {}, {}};
  return {make(query_rows), make(key_rows), make(value_rows)};
}

Activation RecordingContext::attention(const Qkv& qkv, const AttentionSpec& spec) {
  const HyperParameters& p = parameters_;
  use_table(spec.relative_bias, p.heads);
  const auto layer = static_cast<uint32_t>(layer_);
  const uint32_t source = p.cache_layer(layer);
  const uint32_t kv_heads = p.kv_heads_of(source);
  if (p.key_dim_of(layer) != p.key_dim_of(source) || source >= p.cached_layers()) {
    note("the layer reads another's keys and values that are not its own's like");
  }
  const bool own = source == layer;
  if (qkv.query.width != p.heads * p.key_dim_of(source) ||
      qkv.key.width != (own ? kv_heads * p.key_dim_of(source) : 0) ||
      qkv.value.width != (own ? kv_heads * p.value_dim_of(source) : 0)) {
    note("q, k and v are not heads times head dimension wide");
  }
  return make(uint64_t{p.heads} * p.value_dim_of(source));
}

Activation RecordingContext::linear(Activation x, WeightName weight, WeightName bias) {
  const uint64_t rows = use_matrix(weight, x);
  use_vector(bias, rows);
  return make(rows);
}

Activation RecordingContext::gated_mlp(Activation x, const GatedMlpSpec& spec) {
  if (spec.gate.empty()) {
    const uint64_t rows = use_matrix(spec.up, x);
    if (rows % 2 != 0) note(fmt::format("'{}' has not the rows of gate and up", spec.up));
    make(rows);
    const Activation gate = part(rows / 2);
    part(rows / 2);
    return make(use_matrix(spec.down, gate));
  }
  const uint64_t gate_rows = use_matrix(spec.gate, x);
  const uint64_t up_rows = use_matrix(spec.up, x);
  if (gate_rows != up_rows) note("gate and up have different numbers of rows");
  const Activation middle = make(gate_rows);
  make(up_rows);
  return make(use_matrix(spec.down, middle));
}

Activation RecordingContext::mlp(Activation x, const MlpSpec& spec) {
  const uint64_t rows = use_matrix(spec.up, x);
  use_vector(spec.up_bias, rows);
  const Activation middle = make(rows);
  const uint64_t down_rows = use_matrix(spec.down, middle);
  use_vector(spec.down_bias, down_rows);
  return make(down_rows);
}

Activation RecordingContext::experts(Activation x, const ExpertsSpec& spec) {
  const uint64_t experts = use_matrix(spec.router, x);
  const uint64_t gate_rows = use_matrix(spec.gate, x);
  const uint64_t up_rows = use_matrix(spec.up, x);
  const uint64_t width = experts == 0 ? 0 : gate_rows / experts;
  if (gate_rows != up_rows) note("gate and up have different numbers of rows");
  if (experts == 0 || gate_rows % experts != 0) note("gate has not the router's experts");
  if (spec.used == 0 || spec.used > experts) note("more experts are used than there are");
  const auto lines = [](uint64_t values) { return (values + 15) / 16 * 16; };  // cache lines
  make(experts);
  make(x.width);  // the columns of one expert
  make(spec.used * lines(width));
  make(spec.used * lines(width));
  const uint64_t down_rows = use_matrix(spec.down, {0, static_cast<uint32_t>(width)});
  if (experts != 0 && down_rows / experts != x.width) note("down does not lead back");
  make(spec.used * lines(x.width));  // each expert's share
  return make(x.width);
}

Activation RecordingContext::lookup(WeightName table, float) {
  const WeightSpec* spec = use(table);
  if (spec == nullptr) return make(0);
  if (spec->rows != parameters_.vocabulary)
    note(fmt::format("'{}' has not a row per token", table));
  return make(spec->width);
}

Activation RecordingContext::gated(Activation gate, Activation up, ops::GateActivation) {
  if (gate.width != up.width) note("gate and what it lets through have different widths");
  return gate;
}

void RecordingContext::add(Activation x, Activation y, float) {
  if (x.width != y.width) note("what is added has another width");
}

void RecordingContext::scale_by(Activation, WeightName factor) { use_vector(factor, 1); }

void RecordingContext::add_scaled(Activation x, Activation y, Activation factors, uint32_t index,
                                  float) {
  add(x, y, 1);
  if (index >= factors.width) note("there are fewer factors than that");
}

Activation RecordingContext::linear_part(Activation x, WeightName weight, uint32_t part) {
  const WeightSpec* spec = use(weight);
  const uint64_t rows = use_matrix(weight, x);
  if (spec == nullptr || part >= spec->parts) {
    note(fmt::format("'{}' has no part {}", weight, part));
    return make(0);
  }
  return make(rows / spec->parts);
}

Activation RecordingContext::kept(uint32_t first, uint32_t width) {
  const uint64_t end = uint64_t{first} + width;
  if (embedding_) kept_width_ = std::max(kept_width_, static_cast<uint32_t>(end));
  if (end > kept_width_) note("more is asked for than embed() kept");
  return part(width);
}

void RecordingContext::add_to_residual(Activation x, float) {
  if (x.width != parameters_.width) note("what is added to the residual stream is not its width");
}

void RecordingContext::replace_residual(Activation x) {
  if (x.width != parameters_.width) note("what replaces the residual stream is not its width");
}

void RecordingContext::states(Activation x) {
  if (x.width != parameters_.width) note("states are not as wide as the model");
}

void RecordingContext::logits(Activation x, const LogitsSpec& spec) {
  if (use_matrix(spec.weight, x) != parameters_.vocabulary) note("logits are not one per token");
}

Result<DryRun> dry_run(const Architecture& architecture, const HyperParameters& parameters) {
  const std::vector<WeightSpec> specs = architecture.weights(parameters);
  RecordingContext context(parameters, specs);
  architecture.embed(context, parameters);
  for (uint32_t layer = 0; layer < parameters.layers; ++layer) {
    context.enter(static_cast<int32_t>(layer));
    architecture.layer(context, parameters, layer);
  }
  context.enter(WeightSpec::kNoLayer);
  architecture.output(context, parameters);

  std::string problem = context.problem();
  std::vector<std::string> listed;
  for (const WeightSpec& spec : specs) {
    if (spec.role == WeightRole::kConstant || spec.role == WeightRole::kHead) continue;
    listed.push_back(spec.name);
  }
  if (problem.empty() && listed != context.used()) {
    const auto [left, right] =
        std::mismatch(listed.begin(), listed.end(), context.used().begin(), context.used().end());
    problem = fmt::format("the list goes on with '{}', the functions with '{}'",
                          left == listed.end() ? "nothing" : *left,
                          right == context.used().end() ? "nothing" : *right);
  }
  if (!problem.empty()) {
    return Error{ErrorCode::kFailed,
                 fmt::format("architecture '{}': {}", architecture.name, problem),
                 "this is a bug in freehold; please report it with the model's name"};
  }
  return DryRun{context.layer_values_max(), context.layer_activations_max(), context.kept_width()};
}

}  // namespace freehold::model
