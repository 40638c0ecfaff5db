#include "runtime/engine/embedder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "ops/layer_norm/layer_norm.h"
#include "ops/math/lanes.h"
#include "runtime/engine/evaluator.h"

namespace freehold::runtime {

namespace {

using model::ClassifierHead;
using model::Pooling;

/// To length 1; a vector of zeros stays.
void normalise(std::span<float> x) {
  const float square = ops::lanes_sum_of_squares(x.data(), x.size());
  if (square == 0) return;
  const float length = ops::sqrt_f32(square);
  for (float& value : x) value = value / length;
}

/// Rows of `weights` times x, plus `bias` where there is one.
std::vector<float> project(std::span<const float> weights, std::span<const float> bias,
                           std::span<const float> x) {
  std::vector<float> y(weights.size() / x.size());
  for (size_t row = 0; row < y.size(); ++row) {
    y[row] = ops::lanes_dot(x.data(), weights.data() + row * x.size(), x.size());
    if (!bias.empty()) y[row] = y[row] + bias[row];
  }
  return y;
}

void softmax(std::span<float> x) {
  const float maximum = *std::max_element(x.begin(), x.end());
  float sum = 0;
  for (float& value : x) {
    value = ops::exp_f32(value - maximum);
    sum = sum + value;
  }
  for (float& value : x) value = value / sum;
}

}  // namespace

size_t embedder_sequences(size_t columns_max) {
  return std::min(columns_max, Embedder::kTextsPerPass);
}

Result<std::unique_ptr<Embedder>> Embedder::create(Options options) {
  const model::HyperParameters& p = options.model.parameters();
  if (options.pooling == Pooling::kRank && !p.head.exists()) {
    return Error{ErrorCode::kUsage, "the model has no classifier to rank with",
                 "use a reranker, or embed both texts and compare the vectors"};
  }
  if (options.dimensions > p.width) {
    return Error{ErrorCode::kUsage,
                 fmt::format("{} dimensions are asked for, the model's vectors have {}",
                             options.dimensions, p.width),
                 "ask for fewer"};
  }
  if (!p.causal) options.columns_max = std::max(options.columns_max, options.tokens_max);
  auto embedder = std::make_unique<Embedder>(options);
  embedder->gathered_ = options.pooling == Pooling::kRank ? p.head.pooling : options.pooling;
  const size_t sequences = embedder_sequences(options.columns_max);
  const uint64_t positions = std::max(options.columns_max, options.tokens_max);
  embedder->cache_ =
      TRY(Cache::create(options.account, cache_spec(p, options.cache_type, positions, sequences)));
  embedder->executor_ = TRY(Executor::create({.architecture = options.model.architecture(),
                                              .parameters = p,
                                              .weights = options.model.weights(),
                                              .pool = options.pool,
                                              .account = options.account,
                                              .isa = options.isa,
                                              .cache_type = options.cache_type,
                                              .columns_max = options.columns_max,
                                              .logits_max = options.columns_max,
                                              .context = p.context_trained,
                                              .output = PassOutput::kStates}));
  return embedder;
}

size_t Embedder::dimensions() const {
  const model::HyperParameters& p = options_.model.parameters();
  if (options_.pooling == Pooling::kRank) return p.head.outputs > 0 ? p.head.outputs : p.width;
  return options_.dimensions > 0 ? options_.dimensions : p.width;
}

Status Embedder::check(std::span<const Text> texts) const {
  for (size_t i = 0; i < texts.size(); ++i) {
    const size_t count = texts[i].tokens.size();
    if (count == 0) {
      return Error{ErrorCode::kRefused, fmt::format("text {} has no tokens", i + 1),
                   "give texts that are not empty"};
    }
    if (count > options_.tokens_max) {
      return Error{ErrorCode::kRefused,
                   fmt::format("text {} has {} tokens, the model takes {}", i + 1, count,
                               options_.tokens_max),
                   "shorten it or cut it into pieces; nothing is cut silently"};
    }
    TRY(check_tokens(texts[i].tokens, options_.model.parameters().vocabulary));
  }
  return {};
}

Status Embedder::embed(std::span<const Text> texts, const Sink& sink) {
  TRY(check(texts));
  next_ = 0;
  open_.clear();
  Status status;
  while (status.ok() && next_ < texts.size()) {
    if (options_.stop != nullptr && options_.stop->load()) {
      status = Error{ErrorCode::kInterrupted, {}, {}};
      break;
    }
    PassSpec spec;
    status = fill(texts, spec);
    if (!status.ok()) break;
    const Result<PassResult> pass = executor_->run(spec, *cache_);
    if (!pass.ok()) {
      status = pass.error();
      break;
    }
    note_faults(*pass);
    absorb(texts, pass->states);
    if (!parts_.back().is_last) continue;
    for (size_t i = 0; i < parts_.size() && status.ok(); ++i) {
      Open& open = open_[i];
      status = open.failure ? sink(parts_[i].text, *open.failure)
                            : sink(parts_[i].text, finish(texts[parts_[i].text], open));
    }
    for (const Open& open : open_) cache_->drop(open.sequence);
    open_.clear();
  }
  for (const Open& open : open_) cache_->drop(open.sequence);
  open_.clear();
  return status;
}

Status Embedder::fill(std::span<const Text> texts, PassSpec& spec) {
  parts_.clear();
  while (next_ < texts.size() && parts_.size() < embedder_sequences(options_.columns_max)) {
    const Text& text = texts[next_];
    const size_t room = options_.columns_max - spec.columns.size();
    const size_t done = parts_.empty() && !open_.empty() ? open_[0].done : 0;
    const size_t left = text.tokens.size() - done;
    if (left > room && !parts_.empty()) break;
    if (done == 0) {
      open_.push_back({.sequence = TRY(cache_->create_sequence()), .values = {}, .failure = {}});
      TRY(cache_->reserve(open_.back().sequence, static_cast<uint32_t>(text.tokens.size())));
    }
    const size_t count = std::min(left, room);
    parts_.push_back({next_, done, count, count == left});
    for (size_t token = done; token < done + count; ++token) {
      spec.columns.push_back({.sequence = open_.back().sequence,
                              .token = text.tokens[token],
                              .wants_logits = wants_state(text, token),
                              .segment = static_cast<uint8_t>(token >= text.second_from)});
    }
    open_.back().done = done + count;
    if (count < left) break;  // the rest of a long text goes on alone
    ++next_;
  }
  return {};
}

bool Embedder::wants_state(const Text& text, size_t token) const {
  switch (gathered_) {
    case Pooling::kFirst:
      return token == 0;
    case Pooling::kLast:
      return token + 1 == text.tokens.size();
    case Pooling::kNone:
    case Pooling::kMean:
    case Pooling::kRank:
      return true;
  }
  return true;
}

void Embedder::note_faults(const PassResult& pass) {
  for (const PassFault& fault : pass.faults) {
    size_t part = 0;
    size_t column = fault.column;
    while (column >= parts_[part].count) column -= parts_[part++].count;
    if (open_[part].failure) continue;
    open_[part].failure =
        Error{ErrorCode::kFailed,
              fmt::format("activations of text {}, token {} stopped being finite at {}",
                          parts_[part].text + 1, parts_[part].first + column, fault.where),
              "the model's numbers overflow here; try another file of it"};
  }
}

void Embedder::absorb(std::span<const Text> texts, std::span<const float> states) {
  const size_t width = options_.model.parameters().width;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    std::vector<float>& values = open_[i].values;
    for (size_t token = part.first; token < part.first + part.count; ++token) {
      if (!wants_state(texts[part.text], token)) continue;
      const std::span<const float> state = states.first(width);
      states = states.subspan(width);
      if (gathered_ != Pooling::kMean || values.empty()) {
        values.insert(values.end(), state.begin(), state.end());
        continue;
      }
      for (size_t j = 0; j < width; ++j) values[j] = values[j] + state[j];
    }
  }
}

std::span<const float> Embedder::finish(const Text& text, Open& open) {
  std::vector<float>& values = open.values;
  const size_t width = options_.model.parameters().width;
  if (gathered_ == Pooling::kMean) {
    const auto count = static_cast<float>(text.tokens.size());
    for (float& value : values) value = value / count;
  }
  if (options_.pooling == Pooling::kRank) {
    classify(values);
    return values;
  }
  const size_t kept = dimensions();
  const size_t vectors = values.size() / width;
  for (size_t i = 0; i < vectors; ++i) {
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(i * width), kept,
                values.begin() + static_cast<std::ptrdiff_t>(i * kept));
    if (options_.normalise) normalise(std::span(values).subspan(i * kept, kept));
  }
  values.resize(vectors * kept);
  return values;
}

std::span<const float> Embedder::head_weights(std::string_view name) const {
  return options_.model.weights().vector(model::WeightSpec::kNoLayer, name);
}

void Embedder::classify(std::vector<float>& state) {
  const model::HyperParameters& p = options_.model.parameters();
  const ClassifierHead& head = p.head;
  const ops::OpTable& ops = ops::op_table(options_.isa);
  if (head.dense) {
    const auto bias = head.dense_bias ? head_weights("cls.bias") : std::span<const float>{};
    state = project(head_weights("cls.weight"), bias, state);
    ops.gated_unit({head.activation, state.data(), nullptr, state.size(), state.data()});
  }
  if (head.norm) {
    ops.layer_norm({.x = state.data(),
                    .x_stride = state.size(),
                    .weight = head_weights("cls.norm.weight").data(),
                    .eps = p.norm_eps,
                    .rows = 1,
                    .width = state.size(),
                    .y = state.data(),
                    .y_stride = state.size()});
  }
  if (head.outputs == 0) return;
  const auto bias = head.output_bias ? head_weights("cls.output.bias") : std::span<const float>{};
  state = project(head_weights("cls.output.weight"), bias, state);
  if (head.softmax) softmax(state);
}

}  // namespace freehold::runtime
