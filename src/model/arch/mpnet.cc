// MPNet (Song et al., 2020): BERT's layers without segments, with a bias on the scores for each
// head and bucket of distance, the same in all layers. The field's converter does not know it; the
// file is ours (docs/decisions/0009).

#include "model/arch/encoder.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "mpnet";
constexpr uint32_t kBucketsMax = 256;

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_encoder(reader);
  require_learned_positions(reader, p);
  p.qkv_bias = p.output_bias = p.mlp_bias = p.norm_bias = true;
  p.relative_buckets = reader.integer("attention.relative_buckets_count", 4, kBucketsMax);
  reader.require(p.relative_buckets % 4 == 0,
                 "attention.relative_buckets_count is not a multiple of 4");
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& mpnet_architecture() {
  static constexpr Architecture kArchitecture{kName,         read,          encoder_weights,
                                              embed_encoder, encoder_layer, encoder_states};
  return kArchitecture;
}

}  // namespace freehold::model
