// Encoders against goldens that transformers computed in binary64 (golden/encoders), on every
// instruction set, with mutants that the same comparison rejects; and the embedder: pooling,
// classifier heads, one set of bits however texts share passes, threads and instruction sets.

#include "runtime/engine/embedder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <nlohmann/json.hpp>

#include "runtime/engine/test_model.h"

namespace freehold::runtime {
namespace {

using model::Pooling;

struct Golden {
  std::string name;
  double tolerance = 0;
  std::vector<TokenId> tokens;
  size_t second_from = 0;
  std::vector<size_t> positions;
  std::vector<std::vector<double>> states;
  std::vector<double> mean;
  std::vector<double> scores;
};

std::string folder() { return std::string(FREEHOLD_SOURCE_DIR) + "/golden/encoders/"; }

std::vector<std::string> golden_names() {
  std::ifstream file(folder() + "manifest.json");
  const auto manifest = nlohmann::json::parse(file);
  std::vector<std::string> names;
  for (const auto& entry : manifest.at("goldens").items()) names.push_back(entry.key());
  return names;
}

Golden read_golden(const std::string& name) {
  std::ifstream file(folder() + name + ".json");
  const auto json = nlohmann::json::parse(file);
  return {name,
          json.at("tolerance").get<double>(),
          json.at("tokens").get<std::vector<TokenId>>(),
          json.at("second_from").get<size_t>(),
          json.at("positions").get<std::vector<size_t>>(),
          json.at("states").get<std::vector<std::vector<double>>>(),
          json.at("mean").get<std::vector<double>>(),
          json.at("scores").get<std::vector<double>>()};
}

struct Bench {
  device::MemoryAccount account;
  std::unique_ptr<device::WorkerPool> pool;
  std::unique_ptr<Model> model;

  explicit Bench(const std::string& path, size_t threads = 2) {
    pool = MUST(device::WorkerPool::create({.threads = threads, .pin = false}));
    const auto files = io::make_system_files();
    auto file = std::make_unique<model::GgufModel>(MUST(model::GgufModel::open(*files, path)));
    model = MUST(Model::load(std::move(file), {account, *pool}));
  }

  std::unique_ptr<Embedder> embedder(Pooling pooling, size_t columns, bool normalise = true,
                                     device::Isa isa = device::best_isa()) {
    return MUST(Embedder::create({.model = *model,
                                  .pool = *pool,
                                  .account = account,
                                  .isa = isa,
                                  .pooling = pooling,
                                  .normalise = normalise,
                                  .tokens_max = 320,
                                  .columns_max = columns}));
  }
};

std::vector<float> embed_one(Embedder& embedder, const Embedder::Text& text) {
  std::vector<float> out;
  MUST(embedder.embed({&text, 1}, [&](size_t, Result<std::span<const float>> values) {
    const auto got = MUST(std::move(values));
    out.assign(got.begin(), got.end());
    return Status{};
  }));
  return out;
}

Embedder::Text text_of(const Golden& golden) { return {golden.tokens, golden.second_from}; }

/// Largest difference, relative to the root mean square of what is wanted.
double row_distance(std::span<const float> got, const std::vector<double>& want) {
  EXPECT_EQ(got.size(), want.size());
  double squares = 0;
  double largest = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    squares += want[i] * want[i];
    const double difference = std::fabs(static_cast<double>(got[i]) - want[i]);
    largest = std::isnan(difference) ? HUGE_VAL : std::max(largest, difference);
  }
  return largest / std::sqrt(squares / static_cast<double>(want.size()));
}

class EncoderGolden : public testing::TestWithParam<std::string> {};

TEST_P(EncoderGolden, StatesMeanAndScoresOnEveryInstructionSet) {
  const Golden golden = read_golden(GetParam());
  ASSERT_GE(golden.positions.size(), 8u);
  Bench bench(folder() + golden.name + ".gguf");
  const size_t width = bench.model->parameters().width;
  for (const auto isa : {device::Isa::kScalar, device::Isa::kAvx2, device::best_isa()}) {
    if (isa > device::best_isa()) continue;
    const auto states =
        embed_one(*bench.embedder(Pooling::kNone, 320, false, isa), text_of(golden));
    for (size_t i = 0; i < golden.positions.size(); ++i) {
      const auto got = std::span(states).subspan(golden.positions[i] * width, width);
      EXPECT_LE(row_distance(got, golden.states[i]), golden.tolerance)
          << "position " << golden.positions[i] << ", " << device::isa_name(isa);
    }
    const auto mean = embed_one(*bench.embedder(Pooling::kMean, 320, true, isa), text_of(golden));
    EXPECT_LE(row_distance(mean, golden.mean), golden.tolerance) << device::isa_name(isa);
    if (golden.scores.empty()) continue;
    const auto scores = embed_one(*bench.embedder(Pooling::kRank, 320, true, isa), text_of(golden));
    EXPECT_LE(row_distance(scores, golden.scores), golden.tolerance) << device::isa_name(isa);
  }
}

using Parameters = model::HyperParameters;
using Mutants = std::vector<std::pair<std::string, std::function<void(Parameters&)>>>;

Mutants mutants_of(const Parameters& own) {
  Mutants mutants = {
      {"norm epsilon", [](Parameters& p) { p.norm_eps *= 10; }},
      {"attention scale", [](Parameters& p) { p.attention_scale *= 1.02f; }},
      {"activation",
       [](Parameters& p) {
         p.gate = p.gate == ops::GateActivation::kGeluErf ? ops::GateActivation::kGeluTanh
                                                          : ops::GateActivation::kGeluErf;
       }},
      {"embedding scale", [](Parameters& p) { p.embedding_scale *= 1.01f; }},
  };
  if (own.segments > 1) {
    mutants.emplace_back("no segments", [](Parameters& p) { p.segments = 0; });
  }
  if (own.learned_positions) {
    mutants.emplace_back("no positions", [](Parameters& p) { p.learned_positions = false; });
    mutants.emplace_back("no output bias", [](Parameters& p) { p.output_bias = false; });
  }
  if (own.norm_bias) {
    mutants.emplace_back("no norm bias", [](Parameters& p) { p.norm_bias = false; });
  }
  if (own.relative_buckets > 0) {
    mutants.emplace_back("no bias by distance", [](Parameters& p) { p.relative_buckets = 0; });
    mutants.emplace_back("half the buckets", [](Parameters& p) { p.relative_buckets /= 2; });
  }
  if (!own.rope.empty()) {
    mutants.emplace_back("RoPE pairing",
                         [](Parameters& p) { p.rope_pairing = ops::RopePairing::kInterleaved; });
    mutants.emplace_back("RoPE base", [](Parameters& p) { p.rope[0].freq_base *= 1.5; });
  }
  if (own.rope.size() > 1) {
    mutants.emplace_back("one RoPE set", [](Parameters& p) { p.rope[1] = p.rope[0]; });
    for (const uint32_t step : {UINT32_MAX, 1u}) {
      mutants.emplace_back(step == 1 ? "wider window" : "narrower window", [step](Parameters& p) {
        for (auto& kind : p.layer_kinds) kind.window += kind.window > 0 ? step : 0;
      });
    }
    mutants.emplace_back("global layer made local",
                         [](Parameters& p) { p.layer_kinds[0] = p.layer_kinds[1]; });
  }
  return mutants;
}

/// Largest difference of the states that the executor makes with these numbers.
double distance(const Golden& golden, Bench& bench, const Parameters& parameters) {
  const size_t columns = golden.tokens.size();
  auto cache =
      MUST(Cache::create(bench.account, cache_spec(parameters, ops::CacheType::kF32, columns, 1)));
  auto executor = MUST(Executor::create({.architecture = bench.model->architecture(),
                                         .parameters = parameters,
                                         .weights = bench.model->weights(),
                                         .pool = *bench.pool,
                                         .account = bench.account,
                                         .isa = device::best_isa(),
                                         .cache_type = ops::CacheType::kF32,
                                         .columns_max = columns,
                                         .logits_max = columns,
                                         .output = PassOutput::kStates}));
  const auto sequence = MUST(cache.create_sequence());
  PassSpec spec;
  for (size_t i = 0; i < columns; ++i) {
    spec.columns.push_back({.sequence = sequence,
                            .token = golden.tokens[i],
                            .wants_logits = true,
                            .segment = static_cast<uint8_t>(i >= golden.second_from)});
  }
  const PassResult pass = MUST(executor->run(spec, cache));
  double worst = 0;
  for (size_t i = 0; i < golden.positions.size(); ++i) {
    const size_t width = parameters.width;
    const auto got = pass.states.subspan(golden.positions[i] * width, width);
    worst = std::max(worst, row_distance(got, golden.states[i]));
  }
  return worst;
}

TEST_P(EncoderGolden, MutantsAreRejected) {
  const Golden golden = read_golden(GetParam());
  Bench bench(folder() + golden.name + ".gguf");
  EXPECT_LE(distance(golden, bench, bench.model->parameters()), golden.tolerance);
  const Mutants mutants = mutants_of(bench.model->parameters());
  ASSERT_GE(mutants.size(), 4u);
  for (const auto& [name, mutate] : mutants) {
    Parameters parameters = bench.model->parameters();
    mutate(parameters);
    EXPECT_GT(distance(golden, bench, parameters), golden.tolerance) << name;
  }
}

// Attention that sees only what is before, made of the same weights, is another model.
TEST_P(EncoderGolden, CausalAttentionIsRejected) {
  const Golden golden = read_golden(GetParam());
  Bench bench(folder() + golden.name + ".gguf");
  Parameters parameters = bench.model->parameters();
  parameters.causal = true;
  EXPECT_GT(distance(golden, bench, parameters), golden.tolerance);
}

INSTANTIATE_TEST_SUITE_P(All, EncoderGolden, testing::ValuesIn(golden_names()),
                         [](const auto& golden) { return golden.param; });

/// Texts of several lengths, some pairs among them.
std::vector<std::vector<TokenId>> some_texts(uint32_t vocabulary) {
  std::vector<std::vector<TokenId>> texts;
  for (const size_t count : {1u, 7u, 32u, 33u, 2u, 260u, 64u, 5u, 5u, 300u, 17u}) {
    texts.push_back(random_tokens(count, vocabulary, 1000 + texts.size()));
  }
  return texts;
}

std::string hash_of(Embedder& embedder, const std::vector<std::vector<TokenId>>& texts,
                    size_t per_call) {
  LogitsHash hash;
  for (size_t begin = 0; begin < texts.size(); begin += per_call) {
    std::vector<Embedder::Text> call;
    for (size_t i = begin; i < std::min(begin + per_call, texts.size()); ++i) {
      call.push_back({texts[i], texts[i].size() / 2});
    }
    size_t next = 0;
    MUST(embedder.embed(call, [&](size_t text, Result<std::span<const float>> values) {
      EXPECT_EQ(text, next++);
      hash.add(MUST(std::move(values)));
      return Status{};
    }));
    EXPECT_EQ(next, call.size());
  }
  return hash.hex();
}

TEST(Embedder, OneHashForAnyBatchThreadsAndInstructionSet) {
  for (const char* name : {"bert", "mpnet", "nomic_bert", "modern_bert"}) {
    std::string expected;
    for (const size_t threads : {size_t{1}, size_t{3}}) {
      Bench bench(folder() + name + ".gguf", threads);
      const auto texts = some_texts(bench.model->parameters().vocabulary);
      for (const auto isa : {device::Isa::kScalar, device::Isa::kAvx2, device::best_isa()}) {
        if (isa > device::best_isa()) continue;
        for (const size_t columns : {size_t{320}, size_t{500}, size_t{1024}}) {
          const auto embedder = bench.embedder(Pooling::kMean, columns, true, isa);
          const std::string hash = hash_of(*embedder, texts, columns == 500 ? 1 : texts.size());
          if (expected.empty()) expected = hash;
          EXPECT_EQ(hash, expected) << name << ", " << threads << " threads, " << columns;
        }
      }
    }
  }
}

// The control: a sum that begins at another place of the text is not the same bits.
TEST(Embedder, TheHashSeesAnotherOrderOfTheMean) {
  const Golden golden = read_golden("bert");
  Bench bench(folder() + "bert.gguf");
  const size_t width = bench.model->parameters().width;
  const auto states = embed_one(*bench.embedder(Pooling::kNone, 320, false), text_of(golden));
  const auto mean = embed_one(*bench.embedder(Pooling::kMean, 320, false), text_of(golden));
  std::vector<float> forward(width), backward(width);
  const size_t count = golden.tokens.size();
  for (size_t i = 0; i < count; ++i) {
    for (size_t j = 0; j < width; ++j) {
      forward[j] += states[i * width + j];
      backward[j] += states[(count - 1 - i) * width + j];
    }
  }
  for (size_t j = 0; j < width; ++j) {
    forward[j] /= static_cast<float>(count);
    backward[j] /= static_cast<float>(count);
  }
  EXPECT_EQ(mean, forward);
  EXPECT_NE(mean, backward);
}

TEST(Embedder, FewerDimensionsAreCutBeforeTheLengthIs1) {
  const Golden golden = read_golden("bert");
  Bench bench(folder() + "bert.gguf");
  const auto plain = embed_one(*bench.embedder(Pooling::kMean, 320, false), text_of(golden));
  const auto cut = MUST(Embedder::create({.model = *bench.model,
                                          .pool = *bench.pool,
                                          .account = bench.account,
                                          .isa = device::best_isa(),
                                          .pooling = Pooling::kMean,
                                          .dimensions = 20,
                                          .tokens_max = 320,
                                          .columns_max = 320}));
  EXPECT_EQ(cut->dimensions(), 20u);
  const auto got = embed_one(*cut, text_of(golden));
  ASSERT_EQ(got.size(), 20u);
  double squares = 0;
  for (size_t i = 0; i < 20; ++i) squares += double{plain[i]} * double{plain[i]};
  for (size_t i = 0; i < 20; ++i) EXPECT_NEAR(got[i], plain[i] / std::sqrt(squares), 1e-6);
  const auto too_many = Embedder::create(
      {.model = *bench.model, .pool = *bench.pool, .account = bench.account, .dimensions = 49});
  ASSERT_FALSE(too_many.ok());
  EXPECT_NE(too_many.error().message.find("49"), std::string::npos);
  EXPECT_NE(too_many.error().message.find("48"), std::string::npos);
}

TEST(Embedder, FirstAndLastAreThoseStates) {
  const Golden golden = read_golden("modern_bert");
  Bench bench(folder() + "modern_bert.gguf");
  const size_t width = bench.model->parameters().width;
  const auto states = embed_one(*bench.embedder(Pooling::kNone, 320, false), text_of(golden));
  const auto first = embed_one(*bench.embedder(Pooling::kFirst, 320, false), text_of(golden));
  const auto last = embed_one(*bench.embedder(Pooling::kLast, 320, false), text_of(golden));
  EXPECT_TRUE(std::equal(first.begin(), first.end(), states.begin()));
  EXPECT_TRUE(std::equal(last.begin(), last.end(), states.end() - static_cast<long>(width)));
}

TEST(Embedder, RefusesWithBothNumbersBeforeComputing) {
  Bench bench(folder() + "bert.gguf");
  const auto embedder = bench.embedder(Pooling::kMean, 320);
  const auto refuse = [&](std::vector<TokenId> tokens, ErrorCode code, const char* says) {
    const std::vector<TokenId> good = {3, 4};
    const Embedder::Text texts[] = {{good}, {tokens}};
    const Status status = embedder->embed(texts, [](size_t, Result<std::span<const float>>) {
      ADD_FAILURE() << "computed";
      return Status{};
    });
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().code, code);
    EXPECT_NE(status.error().message.find(says), std::string::npos) << status.error().message;
  };
  refuse(std::vector<TokenId>(321, 5), ErrorCode::kRefused,
         "text 2 has 321 tokens, the model takes 320");
  refuse({}, ErrorCode::kRefused, "text 2");
  refuse({5, 128}, ErrorCode::kUsage, "128");
  const auto rank = Embedder::create({.model = *bench.model,
                                      .pool = *bench.pool,
                                      .account = bench.account,
                                      .pooling = Pooling::kRank});
  ASSERT_FALSE(rank.ok());
  EXPECT_EQ(rank.error().code, ErrorCode::kUsage);
}

// A decoder's states: whatever slices a long text comes in, and whoever is beside it.
TEST(Embedder, ADecodersTextsMayBeSliced) {
  Bench bench(std::string(FREEHOLD_SOURCE_DIR) + "/golden/arch/qwen3.gguf");
  const auto texts = some_texts(bench.model->parameters().vocabulary);
  for (const Pooling pooling : {Pooling::kMean, Pooling::kLast, Pooling::kNone}) {
    const std::string expected = hash_of(*bench.embedder(pooling, 320), texts, texts.size());
    for (const size_t columns : {size_t{1}, size_t{19}, size_t{900}}) {
      const auto embedder = bench.embedder(pooling, columns);
      EXPECT_EQ(hash_of(*embedder, texts, texts.size()), expected) << columns;
      EXPECT_EQ(hash_of(*embedder, texts, 1), expected) << columns;
    }
  }
}

}  // namespace
}  // namespace freehold::runtime
