// GLM-4-0414 (GLM team, 2025): norms on both sides of each block, biases on q, k and v, RoPE on the
// first half of every head, gate and up in one matrix.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "glm4";

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_common(reader);
  p.rope_pairing = ops::RopePairing::kInterleaved;
  p.qkv_bias = reader.has_tensor("blk.0.attn_q.bias");
  p.fused_gate_up = true;
  if (reader.has("rope.dimension_sections")) {
    reader.refuse("'glm4.rope.dimension_sections' (positions of images) is not there yet");
  }
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& glm4_architecture() {
  static constexpr Architecture kArchitecture{
      kName, read, both_norms_weights, embed_tokens, both_norms_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
