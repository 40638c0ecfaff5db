// Granite 3 and 4, dense (IBM, 2024): llama's layer with factors on the embedding, on what blocks
// add to the residual stream, on attention scores and on logits. The file's logit_scale is what
// logits are divided by; the converter permutes q and k as llama's.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "granite";
constexpr std::string_view kOwnKeys[] = {"logit_scale", "residual_scale", "embedding_scale",
                                         "attention.scale"};
constexpr double kScaleMin = 1e-6;
constexpr double kScaleMax = 1e6;

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_common(reader, {.own = kOwnKeys});
  p.rope_pairing = ops::RopePairing::kInterleaved;
  p.qkv_bias = reader.has_tensor("blk.0.attn_q.bias");
  p.output_bias = reader.has_tensor("blk.0.attn_output.bias");
  const double logits = reader.number("logit_scale", kScaleMin, kScaleMax);
  p.logit_scale = static_cast<float>(1.0 / logits);
  p.residual_scale =
      static_cast<float>(reader.number_or("residual_scale", kScaleMin, kScaleMax, 1));
  p.embedding_scale =
      static_cast<float>(reader.number_or("embedding_scale", kScaleMin, kScaleMax, 1));
  if (reader.has("attention.scale")) {
    p.attention_scale = static_cast<float>(reader.number("attention.scale", kScaleMin, kScaleMax));
  }
  if (reader.has("rope.scaling.finetuned") && !reader.boolean_or("rope.scaling.finetuned", true)) {
    for (LayerKind& kind : p.layer_kinds) kind.rope = false;  // the converter's word for it
  }
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& granite_architecture() {
  static constexpr Architecture kArchitecture{kName,        read,           pre_norm_weights,
                                              embed_tokens, pre_norm_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
