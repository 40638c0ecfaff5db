// SmolLM3 (Hugging Face, 2025): llama's layer, every fourth without RoPE (NoPE; Yang et al., 2025).
// The converter permutes q and k as llama's.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "smollm3";
// Layers 3, 7, … are not turned: fixed in the published model, no key says it.
constexpr uint32_t kPattern = 4;

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_common(reader);
  p.rope_pairing = ops::RopePairing::kInterleaved;
  p.qkv_bias = reader.has_tensor("blk.0.attn_q.bias");
  for (uint32_t layer = 0; layer < p.layers; ++layer) {
    p.layer_kinds[layer].rope = layer % kPattern != kPattern - 1;
  }
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& smollm3_architecture() {
  static constexpr Architecture kArchitecture{kName,        read,           pre_norm_weights,
                                              embed_tokens, pre_norm_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
