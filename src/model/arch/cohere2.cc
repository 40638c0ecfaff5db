// Cohere2 (Command R7B, Command A, Tiny Aya; Cohere, 2025): attention and MLP side by side from one
// LayerNorm without a bias, three sliding-window layers with interleaved RoPE to one that sees
// everything without, the embedding as the output matrix, and a factor on the logits.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "cohere2";
constexpr std::string_view kOwnKeys[] = {"logit_scale"};
constexpr uint32_t kPattern = 4;

Result<HyperParameters> read(const GgufModel& file) {
  using Limits = HyperParameterLimits;
  HyperParameterReader reader(file, kName);
  HyperParameters p =
      read_common(reader, {.norm_eps = "attention.layer_norm_epsilon", .own = kOwnKeys});
  p.rope_pairing = ops::RopePairing::kInterleaved;
  p.centred_norms = true;
  p.logit_scale = static_cast<float>(reader.number("logit_scale", 1e-6, 1e6));
  read_windows(reader, p, reader.integer("attention.sliding_window", 1, Limits::kContextMax),
               kPattern);
  for (LayerKind& kind : p.layer_kinds) kind.rope = kind.window != 0;
  refuse_second_rope_base(reader, p);
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& cohere2_architecture() {
  static constexpr Architecture kArchitecture{kName,        read,           parallel_weights,
                                              embed_tokens, parallel_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
