// Gemma 3 text models (Gemma team, 2025): norms on both sides of each block, norms on the heads of
// q and k, five sliding-window layers with their own RoPE base to one that sees everything, GeGLU,
// and an embedding scaled by sqrt(width). The converter has added 1 to the norm weights.

#include <cmath>

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "gemma3";
constexpr uint32_t kGlobalRope = 0;
constexpr uint32_t kLocalRope = 1;
// Every sixth layer is global, and local layers turn with base 10000 without scaling: fixed in the
// published models; the files say neither unless a converter was newer than theirs.
constexpr uint32_t kPattern = 6;
constexpr double kLocalBase = 10000.0;
// The 27B model alone scales queries by width / heads instead of the head dimension.
constexpr uint32_t kLayersOf27B = 62;

Result<HyperParameters> read(const GgufModel& file) {
  using Limits = HyperParameterLimits;
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_common(reader);
  p.rope_pairing = ops::RopePairing::kHalves;
  p.gate = ops::GateActivation::kGeluTanh;
  p.head_norms = true;
  p.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(p.width)));
  p.logit_soft_cap = static_cast<float>(reader.number_or("final_logit_softcapping", 1e-3, 1e6, 0));
  if (p.layers == kLayersOf27B) {
    const double share = static_cast<double>(p.width) / static_cast<double>(p.heads);
    p.attention_scale = static_cast<float>(1.0 / std::sqrt(share));
  }
  ops::RopeScaling local = p.rope[kGlobalRope];
  local.kind = ops::RopeScalingKind::kNone;
  local.factor = 1.0;
  local.freq_base = reader.number_or("rope.freq_base_swa", 1.0, 1e12, kLocalBase);
  p.rope.push_back(local);
  const uint32_t window = reader.integer("attention.sliding_window", 1, Limits::kContextMax);
  read_windows(reader, p, window, kPattern);
  for (LayerKind& kind : p.layer_kinds) kind.rope_set = kind.window == 0 ? kGlobalRope : kLocalRope;
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& gemma3_architecture() {
  static constexpr Architecture kArchitecture{
      kName, read, both_norms_weights, embed_tokens, both_norms_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
