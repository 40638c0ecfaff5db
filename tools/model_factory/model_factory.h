#pragma once
// Writes GGUF models with random weights: any supported architecture, size, format mix and
// tokenizer, from a seed. Same options, same bytes. For tests and benchmarks; the models compute
// sane numbers (finite logits with a spread of a few units) and say nothing sensible. Weights are
// made directly as blocks of their format and written as they are made, so memory does not grow
// with the model. Pure functions of their arguments; any thread.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file.h"

namespace freehold::factory {

enum class TokenizerKind {
  kNone,      ///< "none", as the field writes a file without a tokenizer.
  kBytesBpe,  ///< Byte-level BPE with merges, ids 0-255 the bytes.
  kSpm        ///< SentencePiece-style, with scores and <0xNN> byte tokens.
};

enum class RopeScaling { kNone, kLinear, kYarn, kLlama3 };

struct FactoryOptions {
  std::string architecture = "llama";  // architectures() lists them
  uint32_t layers = 2;
  uint32_t width = 256;
  uint32_t heads = 4;
  uint32_t kv_heads = 2;
  uint32_t head_width = 0;    // 0: width / heads
  uint32_t ffn_width = 0;     // 0: 3 * width
  uint32_t experts = 8;       // of architectures that have them
  uint32_t experts_used = 2;  // … by one token
  uint32_t expert_width = 0;  // 0: width / 2
  uint32_t vocabulary = 512;
  uint32_t context = 1024;
  /// A format of quant/formats.def for every matrix, or a mix that types() lists ("Q4_K_M").
  /// Matrices whose rows the format's blocks do not divide take the 32-value format that
  /// llama.cpp's quantiser takes in that case.
  std::string type = "Q4_K_M";
  TokenizerKind tokenizer = TokenizerKind::kNone;
  uint64_t seed = 1;
  bool tied_output = false;       // logits from token_embd.weight, as some always do
  bool attention_biases = false;  // some architectures have them whatever this says
  float rope_base = 0;            // 0: the architecture's own
  RopeScaling rope_scaling = RopeScaling::kNone;
  float rope_factor = 4;
  uint32_t rope_original_context = 0;  // 0: context / rope_factor
  uint32_t sliding_window = 512;       // of architectures that have one
  uint32_t shards = 1;
  std::string name = "random";
};

/// What write_model wrote.
struct FactoryReport {
  std::vector<std::string> files;
  uint64_t tensors = 0;
  uint64_t parameters = 0;
  uint64_t tensor_bytes = 0;
  uint64_t file_bytes = 0;
};

/// Writes the model to `path`, or to `path` with "-00001-of-000NN.gguf" for its ".gguf" where there
/// are shards; each file under a temporary name until it is whole. kUsage for options that make no
/// model, with the option; otherwise what the file system says.
Result<FactoryReport> write_model(io::FileSystem& files, const std::string& path,
                                  const FactoryOptions& options);

/// The same numbers without writing: how large it would be.
Result<FactoryReport> plan_model(const FactoryOptions& options);

/// `options` with a shape like those of real models and as many layers as come nearest to
/// `bytes`. kUsage where no shape comes within a factor of two.
Result<FactoryOptions> shape_for_size(FactoryOptions options, uint64_t bytes);

std::vector<std::string_view> architectures();
std::vector<std::string_view> types();

}  // namespace freehold::factory
