#include "runtime/executor/executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/bytes.h"
#include "base/check.h"
#include "model/arch/recording_context.h"
#include "ops/elementwise/elementwise.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/rms_norm/rms_norm.h"
#include "ops/row_moments/row_moments.h"

namespace freehold::runtime {

namespace {

/// Weight bytes one worker claims at a time: enough to hide the claim, small enough to even out.
constexpr size_t kBytesPerTask = 64 * 1024;
constexpr size_t kRowUnit = 16;

size_t group_index(quant::ActivationGroup group) {
  switch (group) {
    case quant::ActivationGroup::k32:
      return 0;
    case quant::ActivationGroup::k256:
      return 1;
    case quant::ActivationGroup::kFloat:
      return 2;
  }
  return 2;
}

}  // namespace

Executor::Executor(Options options)
    : options_(options),
      ops_(ops::op_table(options.isa)),
      quantise_row_(quant::quantise_row(options.isa)) {}

Result<std::unique_ptr<Executor>> Executor::create(Options options) {
  auto executor = std::make_unique<Executor>(options);
  TRY(executor->allocate());
  return executor;
}

Result<ActivationShape> Executor::full_shape(const model::Architecture& architecture,
                                             const model::HyperParameters& parameters,
                                             ActivationShape shape) {
  const model::DryRun dry = TRY(model::dry_run(architecture, parameters));
  shape.width_max = std::max<size_t>(shape.width_max, parameters.width);
  shape.values_max = dry.layer_values_max;
  shape.activations_max = dry.layer_activations_max;
  shape.kept_width = dry.kept_width;
  shape.attention_rows_max = kAttentionRowsMax;
  return shape;
}

Result<uint64_t> Executor::memory_bytes(const model::Architecture& architecture,
                                        const model::HyperParameters& parameters,
                                        const ActivationShape& shape) {
  const ActivationShape whole = TRY(full_shape(architecture, parameters, shape));
  ActivationMemory counted;
  return uint64_t{counted.place(nullptr, parameters, whole)};
}

std::vector<float> Executor::constant(model::WeightName name) const {
  if (name.empty()) return {};
  const auto values = options_.weights.vector(model::WeightSpec::kNoLayer, name);
  return {values.begin(), values.end()};
}

Status Executor::allocate() {
  const model::HyperParameters& p = options_.parameters;
  for (size_t set = 0; set < p.rope.size(); ++set) {
    ops::RopeScaling scaling = p.rope[set];
    if (set == 0) {
      scaling.factors = constant(p.rope_factors);
      scaling.short_factors = constant(p.rope_factors_short);
      scaling.long_factors = constant(p.rope_factors_long);
      scaling.context = static_cast<double>(options_.context);
    }
    rope_tables_.push_back(TRY(ops::RopeTable::create(scaling)));
  }
  const ActivationShape shape =
      TRY(full_shape(options_.architecture, p,
                     {.columns_max = options_.columns_max,
                      .logits_max = options_.logits_max,
                      .output = options_.output,
                      .workers = options_.pool.size(),
                      .width_max = static_cast<size_t>(options_.weights.width_max()),
                      .adapter_rank_max = options_.adapter_rank_max}));
  memory_ = TRY(device::Buffer::create(options_.account, device::MemoryUse::kActivations,
                                       at_.place(nullptr, p, shape)));
  at_.place(memory_.data(), p, shape);
  const size_t columns = options_.columns_max;
  places_.resize(shape.activations_max + 1);
  faulty_.resize(columns);
  fresh_faults_.resize(std::max<size_t>(columns, p.experts_used));
  page_scratch_.resize(options_.pool.size());
  positions_.reserve(columns);
  in_sequence_.resize(columns);
  logits_columns_.reserve(options_.logits_max);
  expert_uses_.reserve(columns * p.experts_used);
  expert_weights_.resize(columns * p.experts_used);
  return {};
}

Result<PassResult> Executor::run(const PassSpec& spec, Cache& cache) {
  CHECK(!spec.columns.empty() && spec.columns.size() <= options_.columns_max);
  TRY(start_pass(spec, cache));
  const model::HyperParameters& p = options_.parameters;
  enter(model::WeightSpec::kNoLayer);
  options_.architecture.embed(*this, p);
  PanelRing* const ring = options_.weights.ring();
  ExpertCache* const experts = options_.weights.experts();
  const auto goes_on = [&] {
    return !failure_ && (ring == nullptr || !ring->failed()) &&
           (experts == nullptr || !experts->failed());
  };
  for (uint32_t layer = 0; layer < p.layers && goes_on(); ++layer) {
    enter(static_cast<int32_t>(layer));
    options_.architecture.layer(*this, p, layer);
  }
  enter(model::WeightSpec::kNoLayer);
  if (goes_on() && !logits_columns_.empty()) options_.architecture.output(*this, p);
  if (ring != nullptr) {
    const Status read = ring->end_pass(goes_on());
    if (!read.ok() && !failure_) failure_ = read.error();
  }
  if (experts != nullptr) {
    const Status read = experts->end_pass();
    if (!read.ok() && !failure_) failure_ = read.error();
  }
  end_append();
  if (failure_) return *std::move(failure_);
  PassResult result;
  if (options_.output == PassOutput::kStates) {
    result.states = {at_.gathered.data, logits_rows_ * p.width};
  } else {
    result.logits = {at_.logits, logits_rows_ * p.vocabulary};
  }
  result.faults = std::move(faults_);
  return result;
}

Status Executor::start_pass(const PassSpec& spec, Cache& cache) {
  spec_ = &spec;
  cache_ = &cache;
  columns_ = spec.columns.size();
  logits_columns_.clear();
  for (size_t i = 0; i < columns_; ++i) {
    if (spec.columns[i].wants_logits) logits_columns_.push_back(static_cast<uint32_t>(i));
  }
  CHECK(logits_columns_.size() <= options_.logits_max);
  logits_rows_ = 0;
  std::fill(faulty_.begin(), faulty_.end(), uint8_t{0});
  faults_.clear();
  failure_.reset();
  TRY(begin_append());
  if (PanelRing* const ring = options_.weights.ring(); ring != nullptr) {
    const bool reads_output = options_.output == PassOutput::kLogits && !logits_columns_.empty();
    TRY(begin_reading(ring->begin_pass(reads_output)));
  }
  if (ExpertCache* const experts = options_.weights.experts(); experts != nullptr) {
    const Status begun = begin_reading(experts->begin_pass());
    if (!begun.ok() && options_.weights.ring() != nullptr) {
      (void)options_.weights.ring()->end_pass(false);
    }
    TRY(begun);
  }
  find_adapters();
  fill_rope_tables();
  planned_kv_heads_ = 0;
  return {};
}

Status Executor::begin_reading(Status begun) {
  if (!begun.ok()) {
    failure_ = begun.error();
    end_append();
  }
  return begun;
}

void Executor::enter(int32_t layer) {
  layer_ = layer;
  arena_used_ = 0;
  places_[0] = at_.residual;
  next_id_ = 1;
  forget_prepared();
}

model::Activation Executor::make(size_t width) {
  const size_t stride = activation_stride(width);
  CHECK(arena_used_ + stride * columns_ <= at_.arena_floats && next_id_ < places_.size());
  places_[next_id_] = {at_.arena + arena_used_, width, stride};
  arena_used_ += stride * columns_;
  return {next_id_++, static_cast<uint32_t>(width)};
}

model::Activation Executor::part(const Place& all, size_t first, size_t width) {
  CHECK(first + width <= all.width && next_id_ < places_.size());
  places_[next_id_] = {all.data + first, width, all.stride};
  return {next_id_++, static_cast<uint32_t>(width)};
}

void Executor::note_fault(size_t column, std::string_view where) {
  if (faulty_[column] != 0) return;
  faulty_[column] = 1;
  faults_.push_back({column, std::string(where)});
}

void Executor::collect_faults(size_t columns, std::string_view where) {
  for (size_t i = 0; i < columns; ++i) {
    if (fresh_faults_[i] == 0) continue;
    fresh_faults_[i] = 0;
    size_t column = columns == columns_ ? i : logits_columns_[i];
    if (!gathered_.empty()) column = gathered_[i].column;
    note_fault(column, where);
  }
}

void Executor::embed(model::WeightName table, float scale) {
  const model::HyperParameters& p = options_.parameters;
  for (size_t i = 0; i < columns_; ++i) {
    look_up(table, i, {column(at_.residual, i), p.width}, scale);
  }
}

void Executor::look_up(model::WeightName table, size_t index, std::span<float> row, float scale) {
  if (failure_) return;
  const auto token = static_cast<uint64_t>(spec_->columns[index].token);
  const Status status = options_.weights.embedding_row(table, token, row);
  if (!status.ok()) {
    failure_ = status.error();
    return;
  }
  adapt_row(table, index, row);
  if (scale == 1.0f) return;
  ops_.elementwise({.kind = ops::ElementwiseKind::kScale,
                    .x = row.data(),
                    .factor = scale,
                    .count = row.size(),
                    .out = row.data()});
}

void Executor::add_rows(model::WeightName table, model::RowOf row) {
  const auto rows = options_.weights.vector(model::WeightSpec::kNoLayer, table);
  const size_t width = options_.parameters.width;
  each_column(columns_, width, [&](size_t i, size_t) {
    const size_t index = row == model::RowOf::kPosition ? positions_[i] : spec_->columns[i].segment;
    ops_.elementwise({.kind = ops::ElementwiseKind::kAdd,
                      .x = column(at_.residual, i),
                      .y = rows.data() + index * width,
                      .count = width,
                      .out = column(at_.residual, i)});
  });
}

model::Activation Executor::norm(model::Activation x, const model::NormSpec& spec) {
  const Place in = place(x);
  const model::Activation y = make(in.width);
  const Place out = place(y);
  const auto weight = options_.weights.vector(layer_, spec.weight);
  const size_t width = in.width / spec.parts;
  const float* const bias =
      spec.bias.empty() ? nullptr : options_.weights.vector(layer_, spec.bias).data();
  each_column(columns_, in.width, [&](size_t i, size_t) {
    bool finite = true;
    if (spec.centred) {
      finite = quant::all_finite(column(in, i), in.width);
      ops_.layer_norm({.x = column(in, i),
                       .x_stride = width,
                       .weight = weight.data(),
                       .bias = bias,
                       .eps = spec.eps,
                       .rows = spec.parts,
                       .width = width,
                       .y = column(out, i),
                       .y_stride = width});
    } else {
      ops_.rms_norm({column(in, i), width, weight.data(), spec.eps, spec.parts, width,
                     column(out, i), width, &finite});
    }
    if (!finite) fresh_faults_[i] = 1;
  });
  collect_faults(columns_, full_name(spec.weight));
  return y;
}

std::string Executor::full_name(std::string_view name) const {
  if (layer_ == model::WeightSpec::kNoLayer) return std::string(name);
  return model::layer_name(static_cast<uint32_t>(layer_), name);
}

const quant::ActivationView& Executor::prepare(const Place& x, size_t columns,
                                               const MatrixWeights& weights) {
  const quant::ActivationGroup group = weights.format->group;
  Prepared& prepared = prepared_[group_index(group)];
  if (prepared.ready) return prepared.view;
  prepared.ready = true;
  prepared.view = {};
  prepared.view.columns = columns;
  prepared.view.width = x.width;
  prepared.view.x = x.data;
  prepared.view.x_stride = x.stride;
  if (group == quant::ActivationGroup::kFloat) {
    each_column(columns, x.width, [&](size_t i, size_t) {
      if (!quant::all_finite(column(x, i), x.width)) fresh_faults_[i] = 1;
    });
  } else {
    quantise_columns(x, columns, group, prepared.view);
  }
  collect_faults(columns, weights.name);
  return prepared.view;
}

void Executor::quantise_columns(const Place& x, size_t columns, quant::ActivationGroup group,
                                quant::ActivationView& view) {
  const size_t slot = group_index(group);
  view.q = at_.quantised[slot];
  view.d = at_.scales[slot];
  view.sums = at_.sums[slot];
  view.q_stride = quant::column_stride(x.width);
  view.d_stride = view.q_stride / 32;
  view.sums_stride = view.q_stride / 16;
  each_column(columns, x.width * 2, [&](size_t i, size_t) {
    const bool finite = quantise_row_(
        {column(x, i), x.width, group, at_.quantised[slot] + i * view.q_stride,
         at_.scales[slot] + i * view.d_stride, at_.sums[slot] + i * view.sums_stride});
    if (!finite) fresh_faults_[i] = 1;
  });
}

void Executor::multiply(const Place& x, size_t columns, std::span<const Product> products) {
  std::array<quant::ActivationView, 4> inputs;
  CHECK(products.size() <= inputs.size());
  for (size_t i = 0; i < products.size(); ++i)
    inputs[i] = prepare(x, columns, *products[i].weights);
  multiply_each(products, std::span(inputs).first(products.size()));
}

/// One product of multiply_each() and the tasks it is cut into.
struct Executor::ProductJob {
  const MatrixWeights* weights;
  const quant::ActivationView* view;
  quant::PanelDotFn dot;
  Place out;
  const std::byte* rows;
  size_t first_panel;
  uint64_t rows_per_task;
  size_t first_task;

  uint64_t first_row(size_t task) const { return (task - first_task) * rows_per_task; }
  const Panel& panel(size_t task) const {
    return weights->panels[first_panel + first_row(task) / weights->panel_rows];
  }
  /// The first rows of a task, where that is known without waiting for them.
  std::span<const std::byte> resident_rows(size_t task) const {
    const uint64_t first = first_row(task);
    const size_t bytes = std::min(kRowUnit, weights->part_rows - first) * weights->row_bytes;
    if (rows != nullptr) return {rows + first * weights->row_bytes, bytes};
    if (panel(task).rows == nullptr) return {};
    return {panel(task).rows + first % weights->panel_rows * weights->row_bytes, bytes};
  }
};

void Executor::multiply_each(std::span<const Product> products,
                             std::span<const quant::ActivationView> inputs) {
  std::array<ProductJob, size_t{2} * model::HyperParameterLimits::kExpertsUsedMax> jobs;
  CHECK(products.size() <= jobs.size());
  size_t tasks = 0;
  for (size_t i = 0; i < products.size(); ++i) {
    const MatrixWeights& weights = *products[i].weights;
    // Whole 16-row groups that divide a panel, so that no task crosses its end.
    uint64_t rows = kRowUnit;
    while (rows * weights.row_bytes < kBytesPerTask && weights.panel_rows % (rows * 2) == 0)
      rows *= 2;
    jobs[i] = {&weights,
               &inputs[i],
               weights.format->dot(options_.isa),
               products[i].out,
               products[i].rows,
               products[i].part * weights.panels_per_part,
               rows,
               tasks};
    tasks += base::divide_up(weights.part_rows, rows);
  }
  const auto job_of = [&](size_t task) -> const ProductJob& {
    size_t which = products.size() - 1;
    while (jobs[which].first_task > task) --which;
    return jobs[which];
  };
  options_.pool.run_ahead(tasks, [&](size_t task, std::optional<size_t> next, size_t) {
    compute(job_of(task), task,
            next.has_value() ? job_of(*next).resident_rows(*next) : std::span<const std::byte>{});
  });
}

void Executor::compute(const ProductJob& job, size_t task, std::span<const std::byte> next) {
  const MatrixWeights& weights = *job.weights;
  const uint64_t first = job.first_row(task);
  const Panel* panel = nullptr;
  const std::byte* rows = job.rows;
  uint64_t in_panel = first;
  if (rows == nullptr) {
    panel = &job.panel(task);
    in_panel = first % weights.panel_rows;
    rows = panel->rows;
    if (rows == nullptr) rows = options_.weights.ring()->acquire(panel->streamed);
    if (rows == nullptr) return;  // the pass has failed: the ring's end_pass() says why
  }
  quant::PanelDot dot;
  dot.rows = rows + in_panel * weights.row_bytes;
  dot.row_bytes = weights.row_bytes;
  dot.row_count = std::min(job.rows_per_task, weights.part_rows - first);
  dot.x = *job.view;
  dot.y = job.out.data + first;
  dot.y_stride = job.out.stride;
  dot.next = next;
  job.dot(dot);
  if (panel != nullptr && panel->rows == nullptr) {
    options_.weights.ring()->release(panel->streamed, dot.row_count);
  }
}

void Executor::add_bias(const Place& y, size_t columns, model::WeightName bias) {
  if (bias.empty()) return;
  const auto values = options_.weights.vector(layer_, bias);
  each_column(columns, y.width, [&](size_t i, size_t) {
    ops_.elementwise({.kind = ops::ElementwiseKind::kAdd,
                      .x = column(y, i),
                      .y = values.data(),
                      .count = y.width,
                      .out = column(y, i)});
  });
}

model::Activation Executor::linear(model::Activation x, model::WeightName weight,
                                   model::WeightName bias) {
  const MatrixWeights& weights = options_.weights.matrix(layer_, weight);
  const model::Activation y = make(weights.rows);
  const Product product{&weights, place(y)};
  forget_prepared();
  multiply_adapted(place(x), columns_, {&product, 1});
  add_bias(place(y), columns_, bias);
  return y;
}

model::Qkv Executor::project(model::Activation x, const model::QkvSpec& spec) {
  const model::HyperParameters& p = options_.parameters;
  const WeightStore& store = options_.weights;
  const MatrixWeights& query = store.matrix(layer_, spec.query);
  forget_prepared();
  if (spec.query_only) {
    const model::Activation only = make(query.rows);
    const Product product{&query, place(only)};
    multiply_adapted(place(x), columns_, {&product, 1});
    return {only, {}, {}};
  }
  if (spec.key.empty()) {
    const auto layer = static_cast<uint32_t>(layer_);
    const model::Activation all = make(query.rows);
    const Product product{&query, place(all)};
    multiply_adapted(place(x), columns_, {&product, 1});
    const size_t query_rows = size_t{p.heads} * p.key_dim_of(layer);
    const size_t key_rows = size_t{p.kv_heads_of(layer)} * p.key_dim_of(layer);
    return {part(place(all), 0, query_rows), part(place(all), query_rows, key_rows),
            part(place(all), query_rows + key_rows, query.rows - query_rows - key_rows)};
  }
  const MatrixWeights& key = store.matrix(layer_, spec.key);
  if (spec.value.empty()) {
    const model::Qkv out{make(query.rows), make(key.rows), make(key.rows)};
    const std::array<Product, 2> products{Product{&query, place(out.query)},
                                          Product{&key, place(out.key)}};
    multiply_adapted(place(x), columns_, products);
    copy_columns(place(out.key), place(out.value));
    return out;
  }
  const MatrixWeights& value = store.matrix(layer_, spec.value);
  const model::Qkv out{make(query.rows), make(key.rows), make(value.rows)};
  const std::array<Product, 3> products{Product{&query, place(out.query)},
                                        Product{&key, place(out.key)},
                                        Product{&value, place(out.value)}};
  multiply_adapted(place(x), columns_, products);
  return out;
}

model::Qkv Executor::qkv(model::Activation x, const model::QkvSpec& spec) {
  const model::HyperParameters& p = options_.parameters;
  const uint32_t kv_heads = p.kv_heads_of(static_cast<uint32_t>(layer_));
  const model::Qkv out = project(x, spec);
  add_bias(place(out.query), columns_, spec.query_bias);
  add_bias(place(out.key), columns_, spec.key_bias);
  add_bias(place(out.value), columns_, spec.value_bias);
  head_norm(place(out.query), spec.norm_whole ? 1 : p.heads, spec.query_norm, spec.norm_eps);
  head_norm(place(out.key), spec.norm_whole ? 1 : kv_heads, spec.key_norm, spec.norm_eps);
  if (spec.value_norm) norm_heads(place(out.value), kv_heads, nullptr, spec.norm_eps, "attn_v");
  if (spec.rope) {
    rotate(place(out.query), p.heads, spec.rope_set);
    if (!spec.query_only) rotate(place(out.key), kv_heads, spec.rope_set);
  }
  if (spec.temperature.scale != 0) scale_by_position(place(out.query), spec.temperature);
  return out;
}

void Executor::head_norm(const Place& x, uint32_t heads, model::WeightName weight, float eps) {
  if (weight.empty()) return;
  norm_heads(x, heads, options_.weights.vector(layer_, weight).data(), eps, weight);
}

void Executor::norm_heads(const Place& x, uint32_t heads, const float* weight, float eps,
                          std::string_view where) {
  const size_t dim = x.width / heads;
  each_column(columns_, x.width, [&](size_t i, size_t) {
    float* data = column(x, i);
    bool finite = true;
    ops_.rms_norm({data, dim, weight, eps, heads, dim, data, dim, &finite});
    if (!finite) fresh_faults_[i] = 1;
  });
  collect_faults(columns_, full_name(where));
}

void Executor::rotate(const Place& x, uint32_t heads, uint32_t rope_set) {
  const model::HyperParameters& p = options_.parameters;
  const size_t rotary = p.rope[rope_set].rotary_dim;
  const size_t stride = activation_stride(rotary / 2);
  each_column(columns_, x.width, [&](size_t i, size_t) {
    ops_.rope({column(x, i), heads, x.width / heads, rotary, p.rope_pairing,
               at_.cosine[rope_set] + i * stride, at_.sine[rope_set] + i * stride});
  });
}

void Executor::scale_by_position(const Place& x, const model::AttentionTemperature& temperature) {
  each_column(columns_, x.width, [&](size_t i, size_t) {
    ops_.elementwise(
        {.kind = ops::ElementwiseKind::kScale,
         .x = column(x, i),
         .factor = ops::attention_temperature(positions_[i], temperature.scale, temperature.length),
         .count = x.width,
         .out = column(x, i)});
  });
}

void Executor::fill_rope_tables() {
  for (size_t set = 0; set < rope_tables_.size(); ++set) {
    const size_t half = options_.parameters.rope[set].rotary_dim / 2;
    const size_t stride = activation_stride(half);
    // Sines and cosines of ours cost some tens of nanoseconds each.
    each_column(columns_, half * 64, [&](size_t i, size_t) {
      rope_tables_[set].fill_row(positions_[i], at_.cosine[set] + i * stride,
                                 at_.sine[set] + i * stride);
    });
  }
}

void Executor::cut_below(const Place& x, float cut) {
  each_column(columns_, x.width * 2, [&](size_t i, size_t) {
    const ops::RowMoments moments = ops::row_moments(column(x, i), x.width);
    ops_.elementwise({.kind = ops::ElementwiseKind::kCut,
                      .x = column(x, i),
                      .factor = moments.mean + moments.deviation * cut,
                      .count = x.width,
                      .out = column(x, i)});
  });
}

model::Activation Executor::gated_mlp(model::Activation x, const model::GatedMlpSpec& spec) {
  const WeightStore& store = options_.weights;
  const MatrixWeights& up = store.matrix(layer_, spec.up);
  Place gate_out;
  Place up_out;
  forget_prepared();
  if (spec.gate.empty()) {
    const model::Activation both = make(up.rows);
    const Product product{&up, place(both)};
    multiply_adapted(place(x), columns_, {&product, 1});
    gate_out = place(part(place(both), 0, up.rows / 2));
    up_out = place(part(place(both), up.rows / 2, up.rows / 2));
  } else {
    const MatrixWeights& gate = store.matrix(layer_, spec.gate);
    gate_out = place(make(gate.rows));
    up_out = place(make(up.rows));
    const std::array<Product, 2> products{Product{&gate, gate_out}, Product{&up, up_out}};
    multiply_adapted(place(x), columns_, products);
  }
  if (std::isfinite(spec.cut)) cut_below(gate_out, spec.cut);
  each_column(columns_, gate_out.width * 4, [&](size_t i, size_t) {
    ops_.gated_unit({spec.activation, column(gate_out, i), column(up_out, i), gate_out.width,
                     column(gate_out, i)});
  });
  const MatrixWeights& down = store.matrix(layer_, spec.down);
  const model::Activation y = make(down.rows);
  const Product product{&down, place(y)};
  forget_prepared();
  multiply_adapted(gate_out, columns_, {&product, 1});
  return y;
}

model::Activation Executor::lookup(model::WeightName table, float scale) {
  const model::Activation y = make(options_.weights.table_width(table));
  const Place out = place(y);
  for (size_t i = 0; i < columns_; ++i) look_up(table, i, {column(out, i), out.width}, scale);
  return y;
}

model::Activation Executor::gated(model::Activation gate, model::Activation up,
                                  ops::GateActivation activation) {
  const Place in = place(gate);
  const Place other = place(up);
  each_column(columns_, in.width * 4, [&](size_t i, size_t) {
    ops_.gated_unit({activation, column(in, i), column(other, i), in.width, column(in, i)});
  });
  return gate;
}

void Executor::change(ops::ElementwiseKind kind, const Place& x, float factor, const Place* y) {
  each_column(columns_, x.width, [&](size_t i, size_t) {
    ops_.elementwise({.kind = kind,
                      .x = column(x, i),
                      .y = y == nullptr ? nullptr : column(*y, i),
                      .factor = factor,
                      .count = x.width,
                      .out = column(x, i)});
  });
}

void Executor::copy_columns(const Place& from, const Place& to) {
  each_column(columns_, from.width,
              [&](size_t i, size_t) { std::copy_n(column(from, i), from.width, column(to, i)); });
}

void Executor::add(model::Activation x, model::Activation y, float factor) {
  const Place other = place(y);
  change(ops::ElementwiseKind::kAdd, place(x), 0, &other);
  if (factor != 1.0f) scale(x, factor);
}

void Executor::scale(model::Activation x, float factor) {
  change(ops::ElementwiseKind::kScale, place(x), factor);
}

void Executor::scale_by(model::Activation x, model::WeightName factor) {
  scale(x, options_.weights.vector(layer_, factor)[0]);
}

model::Activation Executor::copy(model::Activation x) {
  const model::Activation y = make(place(x).width);
  assign(y, x);
  return y;
}

void Executor::assign(model::Activation x, model::Activation y) {
  copy_columns(place(y), place(x));
}

void Executor::multiply_by(model::Activation x, model::WeightName factors) {
  const Place in = place(x);
  const auto values = options_.weights.vector(layer_, factors);
  each_column(columns_, in.width, [&](size_t i, size_t) {
    ops_.elementwise({.kind = ops::ElementwiseKind::kMultiply,
                      .x = column(in, i),
                      .y = values.data(),
                      .count = in.width,
                      .out = column(in, i)});
  });
}

void Executor::soft_cap(model::Activation x, float cap) {
  change(ops::ElementwiseKind::kSoftCap, place(x), cap);
}

void Executor::add_scaled(model::Activation x, model::Activation y, model::Activation factors,
                          uint32_t index, float plus) {
  const Place in = place(x);
  const Place other = place(y);
  const Place of_column = place(factors);
  each_column(columns_, in.width, [&](size_t i, size_t) {
    ops_.elementwise({.kind = ops::ElementwiseKind::kScaleAdd,
                      .x = column(other, i),
                      .y = column(in, i),
                      .factor = column(of_column, i)[index] + plus,
                      .count = in.width,
                      .out = column(in, i)});
  });
}

void Executor::match_magnitude(model::Activation x, model::Activation like) {
  constexpr float kLeast = 1e-5f;  // Gemma 3n's, of what is made like the other
  const Place in = place(x);
  const Place other = place(like);
  each_column(columns_, in.width, [&](size_t i, size_t) {
    const float wanted = ops::root_mean_square(column(other, i), other.width, 0);
    const float present = ops::root_mean_square(column(in, i), in.width, kLeast);
    ops_.elementwise({.kind = ops::ElementwiseKind::kScale,
                      .x = column(in, i),
                      .factor = wanted / present,
                      .count = in.width,
                      .out = column(in, i)});
  });
}

model::Activation Executor::linear_part(model::Activation x, model::WeightName weight,
                                        uint32_t part) {
  const MatrixWeights& weights = options_.weights.matrix(layer_, weight);
  const model::Activation y = make(weights.part_rows);
  const Product product{.weights = &weights, .out = place(y), .part = part};
  forget_prepared();
  multiply(place(x), columns_, {&product, 1});
  return y;
}

model::Activation Executor::kept(uint32_t first, uint32_t width) {
  return part(at_.kept, first, width);
}

void Executor::activate(const Place& x, ops::GateActivation activation) {
  each_column(columns_, x.width * 4, [&](size_t i, size_t) {
    ops_.gated_unit({activation, column(x, i), nullptr, x.width, column(x, i)});
  });
}

model::Activation Executor::mlp(model::Activation x, const model::MlpSpec& spec) {
  const model::Activation middle = linear(x, spec.up, spec.up_bias);
  activate(place(middle), spec.activation);
  return linear(middle, spec.down, spec.down_bias);
}

void Executor::replace_residual(model::Activation x) { copy_columns(place(x), at_.residual); }

void Executor::add_to_residual(model::Activation x, float scale) {
  const Place in = place(x);
  each_column(columns_, in.width, [&](size_t i, size_t) {
    if (scale != 1.0f) {
      ops_.elementwise({.kind = ops::ElementwiseKind::kScale,
                        .x = column(in, i),
                        .factor = scale,
                        .count = in.width,
                        .out = column(in, i)});
    }
    ops_.elementwise({.kind = ops::ElementwiseKind::kAdd,
                      .x = column(at_.residual, i),
                      .y = column(in, i),
                      .count = in.width,
                      .out = column(at_.residual, i)});
  });
}

void Executor::states(model::Activation x) {
  CHECK(options_.output == PassOutput::kStates);  // a model without logits is not asked for any
  const Place in = place(x);
  const size_t rows = logits_columns_.size();
  for (size_t i = 0; i < rows; ++i) {
    float* const out = at_.gathered.data + i * in.width;
    std::copy_n(column(in, logits_columns_[i]), in.width, out);
    if (!quant::all_finite(out, in.width)) fresh_faults_[i] = 1;
  }
  collect_faults(rows, "states");
  logits_rows_ = rows;
}

void Executor::logits(model::Activation x, const model::LogitsSpec& spec) {
  if (options_.output == PassOutput::kStates) return states(x);
  const Place in = place(x);
  const size_t rows = logits_columns_.size();
  for (size_t i = 0; i < rows; ++i) {
    std::copy_n(column(in, logits_columns_[i]), in.width, column(at_.gathered, i));
  }
  const MatrixWeights& weights = options_.weights.matrix(layer_, spec.weight);
  const size_t vocabulary = weights.rows;
  const Product product{&weights, {at_.logits, vocabulary, vocabulary}};
  forget_prepared();
  multiply_adapted(at_.gathered, rows, {&product, 1});
  each_column(rows, vocabulary, [&](size_t i, size_t) {
    float* values = at_.logits + i * vocabulary;
    if (spec.scale != 1.0f) {
      ops_.elementwise({.kind = ops::ElementwiseKind::kScale,
                        .x = values,
                        .factor = spec.scale,
                        .count = vocabulary,
                        .out = values});
    }
    if (spec.soft_cap != 0) {
      ops_.elementwise({.kind = ops::ElementwiseKind::kSoftCap,
                        .x = values,
                        .factor = spec.soft_cap,
                        .count = vocabulary,
                        .out = values});
    }
    if (!quant::all_finite(values, vocabulary)) fresh_faults_[i] = 1;
  });
  collect_faults(rows, spec.weight);
  logits_rows_ = rows;
}

}  // namespace freehold::runtime
