#pragma once
// What an architecture is: the list of its weights in execution order, and functions that say what
// is computed over a LayerContext in composite operations. It knows nothing of where weights live,
// how many columns travel, which instruction set runs, or who asked. One file and one row in
// archs.def each. A dry run on a recording context (recording_context.h) proves that list and
// functions agree.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/arch/hyper_parameters.h"
#include "model/arch/layer_context.h"

namespace freehold::model {

/// What a tensor is for, so that planners can place it without running anything.
enum class WeightRole {
  kMatrix,     ///< Read whole in every pass.
  kExperts,    ///< One matrix an expert, one after the other; a column uses a few of them.
  kVector,     ///< One row: norm weights and biases; always resident, decoded to f32.
  kEmbedding,  ///< Looked up by row.
  kTable,      ///< A few rows, always resident, decoded to f32: positions, segments, distances.
  kHead,       ///< The same for a classifier, which no layer function uses (ClassifierHead).
  kConstant    ///< Used once when the model is loaded (RoPE factors).
};

/// One tensor an architecture wants, as [rows, width]; experts as [experts x rows of one, width].
struct WeightSpec {
  std::string name;  // as in the file: "blk.0.attn_q.weight"
  uint64_t rows = 1;
  uint64_t width = 0;
  WeightRole role = WeightRole::kMatrix;
  int32_t layer = kNoLayer;
  uint32_t parts = 1;       // experts; rows are theirs together
  uint32_t parts_used = 1;  // … that one column uses
  bool reused = false;      // a small matrix that a pass uses more than once: never streamed

  static constexpr int32_t kNoLayer = -1;
};

struct Architecture {
  std::string_view name;
  /// From metadata and the tensor table; kDamaged or kRefused naming the key.
  Result<HyperParameters> (*read)(const GgufModel& file);
  /// Every tensor in execution order; a tied output matrix is listed once, as the embedding.
  std::vector<WeightSpec> (*weights)(const HyperParameters& parameters);
  /// Tokens to residual stream.
  void (*embed)(LayerContext& context, const HyperParameters& parameters);
  void (*layer)(LayerContext& context, const HyperParameters& parameters, uint32_t layer);
  /// Residual stream to logits.
  void (*output)(LayerContext& context, const HyperParameters& parameters);
};

/// By `general.architecture`; nullptr where this build has none.
const Architecture* find_architecture(std::string_view name);
std::span<const Architecture* const> all_architectures();

/// Checks the file's tensors against `specs`: present and of that shape (kDamaged), and nothing
/// more than them (kRefused, by name).
Status check_weights(const GgufModel& file, std::span<const WeightSpec> specs);

/// "blk.<layer>.<suffix>".
std::string layer_name(uint32_t layer, std::string_view suffix);

}  // namespace freehold::model
