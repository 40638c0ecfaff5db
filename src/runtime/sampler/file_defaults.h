#pragma once
// Sampling that a model's file asks for (general.sampling.*), under what a user says.

#include "model/gguf/gguf.h"
#include "runtime/sampler/sampler.h"

namespace freehold::runtime {

/// kDamaged with the key for a value out of its range.
Status apply_file_defaults(const model::Metadata& metadata, SamplingOptions& sampling);

}  // namespace freehold::runtime
