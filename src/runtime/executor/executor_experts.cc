// A layer's experts: which of them a column uses, and their MLPs with all columns that use one
// going through it together (docs/NUMERICS.md, sections 5 and 8). Every column's shares are kept
// apart until all are there, so that neither the company a column keeps nor the order in which
// experts become ready changes a bit.

#include <algorithm>
#include <array>

#include "ops/elementwise/elementwise.h"
#include "ops/softmax_sum/softmax_sum.h"
#include "runtime/executor/executor.h"

namespace freehold::runtime {

void Executor::choose_experts(float* logits, size_t column, const model::ExpertsSpec& spec) {
  const size_t experts = options_.parameters.experts;
  const size_t used = spec.used;
  std::array<uint32_t, model::HyperParameterLimits::kExpertsUsedMax> chosen;
  float* const weights = expert_weights_.data() + column * used;
  if (!quant::all_finite(logits, experts)) {
    fresh_faults_[column] = 1;
    std::fill_n(logits, experts, 0.0f);  // the column goes on with its batch, for nothing
  }
  float maximum = 0;
  float sum = 0;
  ops_.softmax_sum({logits, experts, logits, &maximum, &sum});
  for (size_t e = 0; e < experts; ++e) logits[e] /= sum;
  const auto before = [logits](uint32_t a, uint32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  };
  size_t count = 0;
  for (uint32_t e = 0; e < experts; ++e) {
    if (count == used && !before(e, chosen[count - 1])) continue;
    size_t at = count < used ? count++ : used - 1;
    for (; at > 0 && before(e, chosen[at - 1]); --at) chosen[at] = chosen[at - 1];
    chosen[at] = e;
  }
  std::sort(chosen.begin(), chosen.begin() + static_cast<std::ptrdiff_t>(used));
  float share = 0;
  for (size_t slot = 0; slot < used; ++slot) share += logits[chosen[slot]];
  for (size_t slot = 0; slot < used; ++slot) {
    const float p = logits[chosen[slot]];
    weights[slot] = spec.normalised ? p / share : p;
    expert_uses_.push_back(
        {chosen[slot], static_cast<uint32_t>(column), static_cast<uint32_t>(slot)});
  }
}

void Executor::route(const Place& logits, const model::ExpertsSpec& spec) {
  expert_uses_.clear();
  for (size_t i = 0; i < columns_; ++i) choose_experts(column(logits, i), i, spec);
  std::sort(expert_uses_.begin(), expert_uses_.end(), [](const ExpertUse& a, const ExpertUse& b) {
    return a.expert != b.expert ? a.expert < b.expert : a.column < b.column;
  });
  collect_faults(columns_, full_name(spec.router));
}

void Executor::run_expert(std::span<const ExpertUse> uses, const Place& x,
                          const model::ExpertsSpec& spec, const ExpertPlaces& places,
                          const ExpertCache::Ready& where) {
  const WeightStore& store = options_.weights;
  const MatrixWeights& gate = store.matrix(layer_, spec.gate);
  const MatrixWeights& up = store.matrix(layer_, spec.up);
  const MatrixWeights& down = store.matrix(layer_, spec.down);
  const auto product = [&](const MatrixWeights& matrix, const Place& out) {
    return Product{&matrix, out, where.expert, where.rows[matrix.expert_piece]};
  };
  const size_t count = uses.size();
  gathered_ = uses;
  each_column(count, x.width, [&](size_t i, size_t) {
    std::copy_n(column(x, uses[i].column), x.width, column(places.in, i));
  });
  const std::array<Product, 2> products{product(gate, places.gate), product(up, places.up)};
  forget_prepared();
  multiply(places.in, count, products);
  each_column(count, gate.part_rows * 4, [&](size_t i, size_t) {
    ops_.gated_unit({spec.activation, column(places.gate, i), column(places.up, i), gate.part_rows,
                     column(places.gate, i)});
  });
  const Product last = product(down, places.out);
  const Place middle{places.gate.data, gate.part_rows, places.gate.stride};
  forget_prepared();
  multiply(middle, count, {&last, 1});
  each_column(count, x.width, [&](size_t i, size_t) {
    std::copy_n(column(places.out, i), x.width,
                column(places.shares, uses[i].column) + uses[i].slot * places.share_stride);
  });
  gathered_ = {};
}

void Executor::run_experts_of_one(std::span<const ExpertCache::Ready> experts, const Place& x,
                                  const model::ExpertsSpec& spec, const ExpertPlaces& places) {
  const WeightStore& store = options_.weights;
  const MatrixWeights& gate = store.matrix(layer_, spec.gate);
  const MatrixWeights& up = store.matrix(layer_, spec.up);
  const MatrixWeights& down = store.matrix(layer_, spec.down);
  const size_t width = gate.part_rows;
  const size_t stride = places.middle_stride;
  expert_products_.clear();
  expert_inputs_.clear();
  forget_prepared();
  for (size_t i = 0; i < experts.size(); ++i) {
    for (const auto& [matrix, place] : {std::pair{&gate, &places.gate}, {&up, &places.up}}) {
      expert_products_.push_back({matrix,
                                  {place->data + i * stride, width, stride},
                                  experts[i].expert,
                                  experts[i].rows[matrix->expert_piece]});
      expert_inputs_.push_back(prepare(x, 1, *matrix));
    }
  }
  multiply_each(expert_products_, expert_inputs_);
  const Place middle{places.gate.data, width, stride};
  each_column(experts.size(), width * 4, [&](size_t i, size_t) {
    ops_.gated_unit({spec.activation, column(middle, i), places.up.data + i * stride, width,
                     column(middle, i)});
  });
  // Their middles are a batch in which every column meets a matrix of its own.
  static constexpr std::array<ExpertUse, model::HyperParameterLimits::kExpertsUsedMax> kOneColumn{};
  gathered_ = std::span(kOneColumn).first(experts.size());
  forget_prepared();
  const quant::ActivationView whole = prepare(middle, experts.size(), down);
  gathered_ = {};
  expert_products_.clear();
  expert_inputs_.clear();
  for (size_t i = 0; i < experts.size(); ++i) {
    size_t slot = 0;
    while (expert_uses_[slot].expert != experts[i].expert) ++slot;
    float* const share = places.shares.data + slot * places.share_stride;
    expert_products_.push_back({&down,
                                {share, x.width, places.share_stride},
                                experts[i].expert,
                                experts[i].rows[down.expert_piece]});
    quant::ActivationView mine = whole;
    mine.columns = 1;
    mine.x += i * whole.x_stride;
    if (whole.q != nullptr) {
      mine.q += i * whole.q_stride;
      mine.d += i * whole.d_stride;
      mine.sums += i * whole.sums_stride;
    }
    expert_inputs_.push_back(mine);
  }
  multiply_each(expert_products_, expert_inputs_);
}

void Executor::run_group(std::span<const ExpertCache::Ready> experts, const Place& x,
                         const model::ExpertsSpec& spec, const ExpertPlaces& places) {
  if (columns_ == 1) return run_experts_of_one(experts, x, spec, places);
  const std::span<const ExpertUse> uses = expert_uses_;
  for (const ExpertCache::Ready& ready : experts) {
    const auto mine = std::equal_range(
        uses.begin(), uses.end(), ExpertUse{ready.expert, 0, 0},
        [](const ExpertUse& a, const ExpertUse& b) { return a.expert < b.expert; });
    run_expert({mine.first, mine.second}, x, spec, places, ready);
  }
}

void Executor::run_experts(const Place& x, const model::ExpertsSpec& spec,
                           const ExpertPlaces& places) {
  expert_wishes_.clear();
  for (const ExpertUse& use : expert_uses_) {
    if (expert_wishes_.empty() || expert_wishes_.back().expert != use.expert) {
      expert_wishes_.push_back({use.expert, 0});
    }
    ++expert_wishes_.back().columns;
  }
  ExpertCache* const cache = options_.weights.experts();
  if (cache == nullptr) {
    // All are in panels.
    ready_experts_.clear();
    for (const ExpertWish& wish : expert_wishes_) ready_experts_.push_back({wish.expert, {}});
    return run_group(ready_experts_, x, spec, places);
  }
  cache->begin_layer(options_.weights.matrix(layer_, spec.gate).expert_layer, expert_wishes_);
  while (cache->next(ready_experts_)) run_group(ready_experts_, x, spec, places);
}

model::Activation Executor::experts(model::Activation x, const model::ExpertsSpec& spec) {
  const Place in = place(x);
  const MatrixWeights& router = options_.weights.matrix(layer_, spec.router);
  const size_t expert_width = options_.weights.matrix(layer_, spec.gate).part_rows;
  const Place logits = place(make(router.rows));
  ExpertPlaces places;
  places.share_stride = activation_stride(in.width);
  places.in = place(make(in.width));
  places.middle_stride = activation_stride(expert_width);
  places.gate = place(make(spec.used * places.middle_stride));
  places.up = place(make(spec.used * places.middle_stride));
  places.shares = place(make(spec.used * places.share_stride));
  const model::Activation y = make(in.width);
  const Place out = place(y);
  places.out = out;  // free until the shares are added up
  const Product product{&router, logits};
  forget_prepared();
  multiply_adapted(in, columns_, {&product, 1});
  route(logits, spec);
  run_experts(in, spec, places);
  each_column(columns_, in.width * spec.used, [&](size_t i, size_t) {
    float* const sum = column(out, i);
    std::fill_n(sum, in.width, 0.0f);
    for (size_t slot = 0; slot < spec.used; ++slot) {
      ops_.elementwise({.kind = ops::ElementwiseKind::kScaleAdd,
                        .x = column(places.shares, i) + slot * places.share_stride,
                        .y = sum,
                        .factor = expert_weights_[i * spec.used + slot],
                        .count = in.width,
                        .out = sum});
    }
  });
  return y;
}

}  // namespace freehold::runtime
