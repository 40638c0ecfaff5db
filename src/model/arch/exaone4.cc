// EXAONE 4 (LG AI Research, 2025): norms behind the blocks only, and on every head of q and k. The
// 32B model has sliding windows on three layers of four and turns only those; the 1.2B model has no
// windows and turns all.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "exaone4";
constexpr uint32_t kPattern = 4;

Result<HyperParameters> read(const GgufModel& file) {
  using Limits = HyperParameterLimits;
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_common(reader);
  p.rope_pairing = ops::RopePairing::kHalves;
  p.head_norms = true;
  if (reader.has_tensor("rope_freqs.weight")) p.rope_factors = "rope_freqs.weight";
  const uint32_t window = reader.integer_or("attention.sliding_window", 0, Limits::kContextMax, 0);
  if (window > 0) {
    read_windows(reader, p, window, kPattern);
    for (LayerKind& kind : p.layer_kinds) kind.rope = kind.window != 0;
  }
  refuse_second_rope_base(reader, p);
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& exaone4_architecture() {
  static constexpr Architecture kArchitecture{
      kName, read, post_norm_weights, embed_tokens, post_norm_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
