// Llama (Touvron et al., 2023) and the many models that share its files' architecture name:
// pre-norm, grouped-query attention, interleaved RoPE (the converter permutes q and k), SwiGLU.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "llama";

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters parameters = read_common(reader);
  parameters.rope_pairing = ops::RopePairing::kInterleaved;
  parameters.qkv_bias = reader.has_tensor("blk.0.attn_q.bias");
  parameters.output_bias = reader.has_tensor("blk.0.attn_output.bias");
  if (reader.has_tensor("blk.0.ffn_gate.bias"))
    reader.refuse("feed-forward biases are not there yet");
  // Mistral 7B v0.1 and Ministral 8B: a window on every layer, or on those that the file names.
  if (reader.has("attention.sliding_window")) {
    read_windows(reader, parameters,
                 reader.integer("attention.sliding_window", 0, HyperParameterLimits::kContextMax),
                 0);
  }
  if (reader.has_tensor("rope_freqs.weight")) parameters.rope_factors = "rope_freqs.weight";
  return reader.finish(std::move(parameters));
}

}  // namespace

const Architecture& llama_architecture() {
  static constexpr Architecture kArchitecture{kName,        read,           pre_norm_weights,
                                              embed_tokens, pre_norm_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
