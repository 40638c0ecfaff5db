// Phi-3 and Phi-4 (Microsoft, 2024): llama's layer with q, k and v in one matrix and gate and up in
// another. Where the file has a window, every layer has it (Phi-3-mini: 2047); 0 is none.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "phi3";

Result<HyperParameters> read(const GgufModel& file) {
  using Limits = HyperParameterLimits;
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_common(reader);
  p.rope_pairing = ops::RopePairing::kHalves;
  p.fused_qkv = true;
  p.fused_gate_up = true;
  // The 128k models (Ding et al., 2024). Files made before the converter wrote the factor of
  // cosines and sines go by the paper's rule for it.
  if (reader.has_tensor("rope_factors_long.weight")) {
    p.rope_factors_short = "rope_factors_short.weight";
    p.rope_factors_long = "rope_factors_long.weight";
    ops::RopeScaling& rope = p.rope[0];
    rope.kind = ops::RopeScalingKind::kLongRope;
    if (!reader.has("rope.scaling.attn_factor")) {
      rope.attention_factor = ops::longrope_attention_factor(
          p.context_trained / rope.original_context, rope.original_context);
    }
  }
  const uint32_t window = reader.integer_or("attention.sliding_window", 0, Limits::kContextMax, 0);
  read_windows(reader, p, window, 0);
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& phi3_architecture() {
  static constexpr Architecture kArchitecture{kName,        read,           pre_norm_weights,
                                              embed_tokens, pre_norm_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
