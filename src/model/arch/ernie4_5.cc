// ERNIE 4.5, dense (Baidu, 2025): llama's layer; its q and k turn neighbours as trained, so that
// the converter permutes nothing.

#include "model/arch/transformer.h"

namespace freehold::model {

namespace {

constexpr std::string_view kName = "ernie4_5";

Result<HyperParameters> read(const GgufModel& file) {
  HyperParameterReader reader(file, kName);
  HyperParameters p = read_common(reader);
  p.rope_pairing = ops::RopePairing::kInterleaved;
  return reader.finish(std::move(p));
}

}  // namespace

const Architecture& ernie4_5_architecture() {
  static constexpr Architecture kArchitecture{kName,        read,           pre_norm_weights,
                                              embed_tokens, pre_norm_layer, norm_and_logits};
  return kArchitecture;
}

}  // namespace freehold::model
