// OLMo 2 (Walsh et al., 2025) and OLMo 3: norms behind the blocks only, and on q and k over all
// heads together. OLMo 3's files say the same name and have sliding windows on three layers of
// four; RoPE scaling is for the global ones only.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "olmo2";
constexpr uint32_t kPattern = 4;
constexpr uint32_t kGlobalRope = 0;
constexpr uint32_t kLocalRope = 1;

Result<HyperParameters> read(const GgufModel& file) {
  using Limits = HyperParameterLimits;
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_common(reader);
  p.rope_pairing = ops::RopePairing::kHalves;
  p.whole_norms = true;
  const uint32_t window = reader.integer_or("attention.sliding_window", 0, Limits::kContextMax, 0);
  if (window > 0) {
    ops::RopeScaling local = p.rope[kGlobalRope];
    local.kind = ops::RopeScalingKind::kNone;
    local.factor = 1.0;
    local.attention_factor = 1.0;
    local.freq_base = reader.number_or("rope.freq_base_swa", 1.0, 1e12, local.freq_base);
    p.rope.push_back(local);
    read_windows(reader, p, window, kPattern);
    for (LayerKind& kind : p.layer_kinds) {
      kind.rope_set = kind.window == 0 ? kGlobalRope : kLocalRope;
    }
  }
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& olmo2_architecture() {
  static constexpr Architecture kArchitecture{
      kName, read, post_norm_weights, embed_tokens, post_norm_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
