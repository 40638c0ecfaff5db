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
  if (reader.has_tensor("rope_factors_long.weight")) {
    reader.refuse("RoPE factors for long and short contexts (LongRoPE) are not there yet");
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
