#pragma once
// Factory models for the tests of this room: made in a temporary folder, loaded, and run to the
// SHA-256 of their logits. For tests only.

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "model_factory/model_factory.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/evaluator.h"

namespace freehold::runtime {

/// A small model that still has every odd corner: grouped heads, more than one 16-row group, an
/// output matrix, a window shorter than the prompts where there is one.
inline factory::FactoryOptions small_model(const std::string& architecture,
                                           const std::string& type) {
  factory::FactoryOptions options;
  options.architecture = architecture;
  options.type = type;
  // As many layers as the pattern of windows or of RoPE needs to show both kinds.
  options.layers = 2;
  if (architecture == "gemma3") options.layers = 7;
  if (architecture == "gemma4" || architecture == "gemma3n") options.layers = 5;
  for (const char* pattern_of_four : {"smollm3", "olmo2", "exaone4", "cohere2"}) {
    if (architecture == pattern_of_four) options.layers = 5;
  }
  options.width = 256;
  options.heads = 4;
  options.kv_heads = 2;
  options.ffn_width = 512;
  options.vocabulary = 384;
  options.sliding_window = 48;
  options.seed = 7;
  return options;
}

/// A machine with a model on it.
struct TestModel {
  device::MemoryAccount account;
  std::unique_ptr<device::WorkerPool> pool;
  std::unique_ptr<io::FileSystem> files;
  std::unique_ptr<Model> model;

  /// Where `damaged` names a tensor, its row `row` is overwritten with 0xFF before the file is
  /// loaded.
  TestModel(const factory::FactoryOptions& options, size_t threads, const std::string& damaged = {},
            uint64_t row = 0)
      : TestModel(
            options, threads,
            [](Model& opened, const Model::Options& load) {
              return opened.load_weights(opened.layout(), load);
            },
            damaged, row) {}

  using LoadWeights = std::function<Status(Model& opened, Model::Options load)>;
  TestModel(const factory::FactoryOptions& options, size_t threads, const LoadWeights& load_weights,
            const std::string& damaged = {}, uint64_t row = 0) {
    pool = MUST(device::WorkerPool::create({.threads = threads, .pin = false}));
    files = io::make_system_files();
    const std::string path = testing::TempDir() + "freehold-" + options.architecture + "-" +
                             options.type + "-" + std::to_string(::getpid()) + ".gguf";
    const auto report = MUST(factory::write_model(*files, path, options));
    if (!damaged.empty()) {
      const auto whole = MUST(model::GgufModel::open(*files, path));
      const model::TensorInfo& tensor = *whole.find(damaged);
      const size_t row_bytes = tensor.format->row_bytes(tensor.width());
      std::fstream patch(path, std::ios::in | std::ios::out | std::ios::binary);
      patch.seekp(static_cast<std::streamoff>(tensor.offset + row * row_bytes));
      patch << std::string(row_bytes, static_cast<char>(0xFF));
    }
    auto file = std::make_unique<model::GgufModel>(MUST(model::GgufModel::open(*files, path)));
    model = MUST(Model::open(std::move(file)));
    load_weights(*model, {.account = account, .pool = *pool, .files = files.get()}).value();
    for (const std::string& written : report.files) std::filesystem::remove(written);
  }

  std::unique_ptr<Executor> executor(device::Isa isa, size_t columns_max, size_t logits_max) {
    return MUST(Executor::create({.architecture = model->architecture(),
                                  .parameters = model->parameters(),
                                  .weights = model->weights(),
                                  .pool = *pool,
                                  .account = account,
                                  .isa = isa,
                                  .columns_max = columns_max,
                                  .logits_max = logits_max}));
  }
  Cache cache(uint64_t positions, size_t sequences) {
    return MUST(Cache::create(
        account, cache_spec(model->parameters(), ops::CacheType::kF16, positions, sequences)));
  }
};

inline std::vector<TokenId> random_tokens(size_t count, uint32_t vocabulary, uint64_t seed) {
  base::RandomStream random(seed);
  std::vector<TokenId> tokens(count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random.below(vocabulary));
  return tokens;
}

/// SHA-256 of what is added, as hex.
class LogitsHash {
 public:
  LogitsHash() : context_(EVP_MD_CTX_new()) { EVP_DigestInit_ex(context_, EVP_sha256(), nullptr); }
  ~LogitsHash() { EVP_MD_CTX_free(context_); }
  LogitsHash(const LogitsHash&) = delete;
  LogitsHash& operator=(const LogitsHash&) = delete;
  void add(std::span<const float> logits) {
    EVP_DigestUpdate(context_, logits.data(), logits.size_bytes());
  }
  std::string hex() {
    unsigned char digest[32];
    EVP_DigestFinal_ex(context_, digest, nullptr);
    std::string text;
    for (const unsigned char byte : digest) {
      text += "0123456789abcdef"[byte >> 4];
      text += "0123456789abcdef"[byte & 15];
    }
    return text;
  }

 private:
  EVP_MD_CTX* context_;
};

/// Logits of every position by the evaluator.
inline std::string evaluate_hash(TestModel& test, std::span<const TokenId> tokens, device::Isa isa,
                                 size_t slice, ops::CacheType type) {
  auto evaluator = MUST(Evaluator::create({.model = *test.model,
                                           .pool = *test.pool,
                                           .account = test.account,
                                           .isa = isa,
                                           .cache_type = type,
                                           .context = tokens.size(),
                                           .slice = slice}));
  LogitsHash hash;
  MUST(evaluator->evaluate(tokens, 0, [&](size_t, std::span<const float> row) {
    hash.add(row);
    return Status{};
  }));
  return hash.hex();
}

/// The answers to `count` requests by their number, as many `together` as the engine takes;
/// `request(number)` makes one.
template <class MakeRequest>
std::map<size_t, std::vector<TokenId>> answers_of(Engine& engine, size_t count, size_t together,
                                                  const MakeRequest& request) {
  std::map<size_t, std::vector<TokenId>> out;
  std::map<RequestId, size_t> which;
  size_t next = 0;
  while (next < count || !engine.idle()) {
    while (next < count && which.size() - out.size() < together) {
      const auto id = engine.submit(request(next));
      if (!id.ok()) break;
      which[*id] = next++;
    }
    for (const TokenEvent& event : MUST(engine.step())) {
      out[which.at(event.request)].push_back(event.token);
    }
  }
  return out;
}

}  // namespace freehold::runtime
