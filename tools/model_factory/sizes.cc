// Shapes of well-known model sizes, for "a model of 4 GB, please".

#include <fmt/format.h>

#include <cmath>

#include "base/text.h"
#include "model_factory/model_factory.h"

namespace freehold::factory {

namespace {

struct Shape {
  uint32_t layers, width, heads, kv_heads, head_width, ffn_width, vocabulary;
};

// From a toy to 120 billion parameters, proportions as published models of those sizes have them.
constexpr Shape kShapes[] = {
    {4, 256, 4, 2, 64, 768, 2048},         {6, 384, 6, 2, 64, 1024, 2048},
    {8, 512, 8, 4, 64, 1536, 2048},        {12, 512, 8, 4, 64, 1536, 8192},
    {30, 576, 9, 3, 64, 1536, 49152},      {24, 1024, 16, 4, 64, 4096, 49152},
    {28, 1536, 12, 2, 128, 8960, 49152},   {28, 3072, 24, 8, 128, 8192, 128256},
    {32, 4096, 32, 8, 128, 14336, 128256}, {48, 5120, 40, 8, 128, 13824, 151936},
    {64, 5120, 40, 8, 128, 27648, 151936}, {80, 8192, 64, 8, 128, 28672, 128256},
    {88, 12288, 96, 8, 128, 28672, 32768},
};

FactoryOptions with_shape(FactoryOptions options, const Shape& shape) {
  options.layers = shape.layers;
  options.width = shape.width;
  options.heads = shape.heads;
  options.kv_heads = shape.kv_heads;
  options.head_width = shape.head_width;
  options.ffn_width = shape.ffn_width;
  options.vocabulary = shape.vocabulary;
  return options;
}

Result<uint64_t> bytes_of(const FactoryOptions& options) {
  return TRY(plan_model(options)).tensor_bytes;
}

double distance(uint64_t a, uint64_t b) {
  return std::abs(std::log(static_cast<double>(a) / static_cast<double>(b)));
}

}  // namespace

Result<FactoryOptions> shape_for_size(FactoryOptions options, uint64_t bytes) {
  const TokenizerKind tokenizer = options.tokenizer;
  options.tokenizer = TokenizerKind::kNone;  // its header is small beside the tensors
  FactoryOptions best;
  double best_distance = INFINITY;
  for (const Shape& shape : kShapes) {
    FactoryOptions candidate = with_shape(options, shape);
    const uint64_t whole = TRY(bytes_of(candidate));
    // As many layers as come nearest, within half and double of the shape's own.
    candidate.layers = shape.layers * 2;
    const double layer = static_cast<double>(TRY(bytes_of(candidate)) - whole) / shape.layers;
    const double ends = static_cast<double>(whole) - layer * shape.layers;
    const double wanted = std::round((static_cast<double>(bytes) - ends) / layer);
    candidate.layers =
        static_cast<uint32_t>(std::min(std::max(wanted, shape.layers / 2.0), shape.layers * 2.0));
    const double own_distance = 0.1 * distance(whole, bytes);  // prefer the natural shape
    const double far = distance(TRY(bytes_of(candidate)), bytes) + own_distance;
    if (far < best_distance) {
      best_distance = far;
      best = candidate;
    }
  }
  const uint64_t made = TRY(bytes_of(best));
  if (made > 2 * bytes || made < bytes / 2) {
    return Error{ErrorCode::kUsage,
                 fmt::format("no shape of type {} comes near {}; the nearest has {}", options.type,
                             base::human_bytes(bytes), base::human_bytes(made)),
                 "Give --layers, --width, --ffn and --vocab instead of --size."};
  }
  best.tokenizer = tokenizer;
  return best;
}

}  // namespace freehold::factory
