// BERT (Devlin et al., 2018) and all that kept its shape: RoBERTa, XLM-RoBERTa, MiniLM, BGE, E5,
// GTE and the rerankers made of them. Learned positions; XLM-RoBERTa's converter has cut off the
// rows before its first position.

#include "model/arch/encoder.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "bert";

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_encoder(reader);
  require_learned_positions(reader, p);
  p.qkv_bias = p.output_bias = p.mlp_bias = p.norm_bias = true;
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& bert_architecture() {
  static constexpr Architecture kArchitecture{kName,         read,          encoder_weights,
                                              embed_encoder, encoder_layer, encoder_states};
  return kArchitecture;
}

}  // namespace freehold::model
