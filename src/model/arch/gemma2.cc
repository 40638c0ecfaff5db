// Gemma 2 (Gemma team, 2024): norms on both sides of each block, sliding windows on every other
// layer, soft caps on attention scores and logits, GeGLU, and an embedding scaled by sqrt(width).
// The converter has added 1 to the norm weights.

#include <cmath>

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "gemma2";
constexpr std::string_view kOwnKeys[] = {"attn_logit_softcapping"};
// Layers 1, 3, … see everything, and old files say neither the window nor the caps: fixed in the
// published models.
constexpr uint32_t kPattern = 2;
constexpr uint32_t kWindow = 4096;
// The 27B model alone scales queries by width / heads instead of the head dimension.
constexpr uint32_t kLayersOf27B = 46;

Result<HyperParameters> read(const GgufModel& file) {
  using Limits = HyperParameterLimits;
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_common(reader, {.own = kOwnKeys});
  p.rope_pairing = ops::RopePairing::kHalves;
  p.gate = ops::GateActivation::kGeluTanh;
  p.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(p.width)));
  p.attention_soft_cap =
      static_cast<float>(reader.number_or("attn_logit_softcapping", 1e-3, 1e6, 50));
  p.logit_soft_cap = static_cast<float>(reader.number_or("final_logit_softcapping", 1e-3, 1e6, 30));
  if (p.layers == kLayersOf27B) {
    const double share = static_cast<double>(p.width) / static_cast<double>(p.heads);
    p.attention_scale = static_cast<float>(1.0 / std::sqrt(share));
  }
  read_windows(reader, p,
               reader.integer_or("attention.sliding_window", 1, Limits::kContextMax, kWindow),
               kPattern);
  refuse_second_rope_base(reader, p);
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& gemma2_architecture() {
  static constexpr Architecture kArchitecture{
      kName, read, both_norms_weights, embed_tokens, both_norms_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
