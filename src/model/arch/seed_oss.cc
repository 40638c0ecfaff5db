// Seed-OSS (ByteDance, 2025): llama's layer with biases on q, k and v. Its files call the norm
// before the MLP post_attention_norm, and RoPE turns halves.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "seed_oss";

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_common(reader);
  p.rope_pairing = ops::RopePairing::kHalves;
  p.qkv_bias = reader.has_tensor("blk.0.attn_q.bias");
  p.output_bias = reader.has_tensor("blk.0.attn_output.bias");
  p.mlp_norm = "post_attention_norm.weight";
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& seed_oss_architecture() {
  static constexpr Architecture kArchitecture{kName,        read,           pre_norm_weights,
                                              embed_tokens, pre_norm_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
