#pragma once
// Options turned into a model: checked, with every default filled in, as a list of tensors and the
// keys of its header. Names and keys are those of llama.cpp's converter. Pure; any thread.

#include <span>
#include <vector>

#include "model/gguf/gguf_writer.h"
#include "model_factory/model_factory.h"
#include "model_factory/type_mix.h"

namespace freehold::factory {

/// How a tensor's values are made.
enum class Fill {
  kMatrix,       // spread 1 / sqrt(row width)
  kLogits,       // three times that, so that logits differ
  kNorm,         // near 1
  kBias,         // near 0
  kRopeFactors,  // Llama 3's, computed
  kSlowPairs     // 1 for the first quarter, 1e30 for the rest
};

struct FilledTensor {
  model::PlannedTensor tensor;
  Fill fill = Fill::kMatrix;
};

struct ModelPlan {
  FactoryOptions options;  // without zeros that mean a default
  TypeMix mix;
  std::vector<FilledTensor> tensors;  // file order
};

/// kUsage with the option that is wrong.
Result<ModelPlan> make_plan(const FactoryOptions& options);

/// general.*, the architecture's and tokenizer.* keys.
void add_keys(model::GgufHeader& header, const ModelPlan& plan);

/// Llama 3's per-frequency divisors, head_width / 2 of them (rope_freqs.weight).
std::vector<float> llama3_rope_factors(const FactoryOptions& options);

}  // namespace freehold::factory
