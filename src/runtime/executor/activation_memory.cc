#include "runtime/executor/activation_memory.h"

#include <algorithm>

#include "ops/attention/attention.h"
#include "quant/activation.h"

namespace freehold::runtime {

namespace {

/// Hands out aligned pieces of one block.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}
  template <class T>
  T* take(size_t count) {
    T* piece = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + used_);
    used_ += base::align_up<size_t>(count * sizeof(T), 64);
    return piece;
  }
  size_t used() const { return used_; }

 private:
  std::byte* base_;
  size_t used_ = 0;
};

}  // namespace

size_t ActivationMemory::place(std::byte* base, const model::HyperParameters& parameters,
                               const ActivationShape& shape) {
  Carver carver(base);
  const size_t columns = shape.columns_max;
  const size_t stride = activation_stride(parameters.width);
  const size_t padded = quant::column_stride(shape.width_max);
  residual = {carver.take<float>(columns * stride), parameters.width, stride};
  const size_t kept_stride = activation_stride(shape.kept_width);
  kept = {carver.take<float>(columns * kept_stride), shape.kept_width, kept_stride};
  arena_floats = columns * (shape.values_max + kActivationStrideUnit * shape.activations_max);
  arena = carver.take<float>(arena_floats);
  // One column's experts are a batch of their own.
  const size_t batch = std::max<size_t>(columns, parameters.experts_used);
  for (size_t group = 0; group < 2; ++group) {
    quantised[group] = carver.take<int8_t>(batch * padded);
    scales[group] = carver.take<float>(batch * (padded / 32));
    sums[group] = carver.take<int16_t>(batch * (padded / 16));
  }
  gathered = {carver.take<float>(shape.logits_max * stride), parameters.width, stride};
  // The most matrices of one input are q, k and v.
  low_rank_floats = 3 * columns * activation_stride(shape.adapter_rank_max);
  low_rank = carver.take<float>(low_rank_floats);
  const bool has_logits = shape.output == PassOutput::kLogits;
  logits = carver.take<float>(has_logits ? shape.logits_max * parameters.vocabulary : 0);
  const size_t distances = parameters.relative_buckets > 0 ? 2 * columns - 1 : 0;
  relative_bias = carver.take<float>(parameters.heads * distances);
  cosine.clear();
  sine.clear();
  for (const ops::RopeScaling& rope : parameters.rope) {
    cosine.push_back(carver.take<float>(columns * activation_stride(rope.rotary_dim / 2)));
    sine.push_back(carver.take<float>(columns * activation_stride(rope.rotary_dim / 2)));
  }
  size_t value_dim_max = 0;
  for (uint32_t layer = 0; layer < parameters.layers; ++layer) {
    value_dim_max = std::max<size_t>(value_dim_max, parameters.value_dim_of(layer));
  }
  scratch.clear();
  for (size_t worker = 0; worker < shape.workers; ++worker) {
    scratch.push_back(
        carver.take<float>(ops::attention_scratch_floats(shape.attention_rows_max, value_dim_max)));
  }
  return carver.used();
}

}  // namespace freehold::runtime
