// The invariance matrix of docs/NUMERICS.md, section 7, point 3, as far as there are features:
// threads, batch, slices, instruction sets, shared prefixes and trees give one hash; a kernel that
// breaks the rule of one accumulator gives more than one (point 4), so the matrix can fail.

#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <set>

#include "base/bytes.h"
#include "base/float16.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/test_model.h"

namespace freehold::runtime {
namespace {

constexpr size_t kTokens = 290;
constexpr uint32_t kVocabulary = 384;

/// Logits of every position of `tokens`, computed in pieces of random length beside `neighbours`
/// other sequences in the same passes.
std::string batch_hash(TestModel& test, const std::vector<TokenId>& tokens, device::Isa isa,
                       size_t neighbours, uint64_t seed) {
  constexpr size_t kPieceMax = 40;
  const size_t sequences = neighbours + 1;
  auto cache = test.cache((tokens.size() + 256) * sequences, sequences);
  auto executor = test.executor(isa, kPieceMax + neighbours, kPieceMax);
  base::RandomStream random(seed);
  std::vector<SequenceId> ids;
  for (size_t i = 0; i < sequences; ++i) {
    ids.push_back(MUST(cache.create_sequence()));
    MUST(cache.reserve(ids.back(), static_cast<uint32_t>(tokens.size())));
  }
  LogitsHash hash;
  for (size_t begin = 0; begin < tokens.size();) {
    const size_t end = std::min(begin + 1 + random.below(kPieceMax), tokens.size());
    const size_t place = random.below(static_cast<uint32_t>(sequences));
    PassSpec spec;
    for (size_t i = 0; i < sequences; ++i) {
      if (i == place) {
        for (size_t at = begin; at < end; ++at) {
          spec.columns.push_back({.sequence = ids[0], .token = tokens[at], .wants_logits = true});
        }
      }
      if (i > 0) {
        spec.columns.push_back(
            {.sequence = ids[i], .token = static_cast<TokenId>(random.below(kVocabulary))});
      }
    }
    hash.add(MUST(executor->run(spec, cache)).logits);
    begin = end;
  }
  return hash.hex();
}

std::set<std::string> matrix(const factory::FactoryOptions& options,
                             const std::function<void(TestModel&)>& change = {}) {
  const auto tokens = random_tokens(kTokens, kVocabulary, 3);
  std::set<std::string> hashes;
  for (const size_t threads : {1u, 2u, 3u, 7u}) {
    TestModel test(options, threads);
    if (change) change(test);
    for (const auto isa : {device::Isa::kScalar, device::Isa::kAvx2, device::best_isa()}) {
      // The scalar path is slow and says the same at every number of threads.
      if (isa > device::best_isa() || (isa == device::Isa::kScalar && threads != 3)) continue;
      for (const size_t slice : {size_t{0}, size_t{1}, size_t{64}}) {
        hashes.insert(evaluate_hash(test, tokens, isa, slice, ops::CacheType::kF16));
      }
      for (const size_t neighbours : {size_t{0}, size_t{1}, size_t{6}, size_t{63}}) {
        hashes.insert(batch_hash(test, tokens, isa, neighbours, threads * 100 + neighbours));
      }
    }
  }
  return hashes;
}

class InvarianceSlow : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(InvarianceSlow, OneHash) {
  EXPECT_EQ(matrix(small_model(GetParam().first, GetParam().second)).size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Models, InvarianceSlow,
    testing::Values(
        std::pair{"llama", "Q4_K_M"}, std::pair{"qwen2", "Q5_0"}, std::pair{"qwen3moe", "Q4_K_M"},
        std::pair{"gemma3", "Q6_K"}, std::pair{"llama", "F16"}, std::pair{"olmo2", "Q4_K_M"},
        std::pair{"phi3", "Q4_K_M"}, std::pair{"cohere2", "Q4_K_M"}, std::pair{"smollm3", "Q4_K_M"},
        std::pair{"exaone4", "Q6_K"}, std::pair{"glm4", "Q4_K_M"}, std::pair{"seed_oss", "Q4_K_M"},
        std::pair{"mistral3", "Q4_K_M"}, std::pair{"gemma4", "Q4_K_M"},
        std::pair{"gemma3n", "Q4_K_M"}, std::pair{"command-r", "Q4_K_M"},
        std::pair{"ernie4_5", "Q8_0"}, std::pair{"granite", "Q8_0"}, std::pair{"gemma2", "Q4_0"}));

/// The rule's forbidden twin: two accumulators over the blocks of Q8_0, added at the end.
void two_accumulators(const quant::PanelDot& task) {
  constexpr size_t kBlock = 34;
  for (size_t column = 0; column < task.x.columns; ++column) {
    for (size_t row = 0; row < task.row_count; ++row) {
      float sums[2] = {0, 0};
      for (size_t block = 0; block < task.x.width / 32; ++block) {
        const std::byte* bytes = task.rows + row * task.row_bytes + block * kBlock;
        int32_t sum = 0;
        for (size_t i = 0; i < 32; ++i) {
          sum += static_cast<int8_t>(bytes[2 + i]) *
                 task.x.q[column * task.x.q_stride + block * 32 + i];
        }
        const float scale = base::float_from_f16(base::load_le<uint16_t>(bytes));
        const float d = task.x.d[column * task.x.d_stride + block];
        float& slot = sums[block % 2];
        slot = std::fma(static_cast<float>(sum) * scale, d, slot);
      }
      task.y[column * task.y_stride + row] = sums[0] + sums[1];
    }
  }
}

TEST(InvarianceSlowControl, TwoAccumulatorsAreNoticed) {
  // Only where the instruction set has a fast path of its own: as a careless kernel would be.
  quant::Format careless = quant::format(quant::FormatId::Q8_0);
  careless.dot_avx2 = two_accumulators;
  const auto hashes = matrix(small_model("llama", "Q8_0"), [&](TestModel& test) {
    for (uint32_t layer = 0; layer < 2; ++layer) {
      const auto& matrix =
          test.model->weights().matrix(static_cast<int32_t>(layer), "ffn_up.weight");
      const_cast<MatrixWeights&>(matrix).format = &careless;  // the test owns the model
    }
  });
  EXPECT_GT(hashes.size(), 1u);
}

TEST(Invariance, ATreeComputesWhatItsPathsWould) {
  TestModel test(small_model("llama", "Q4_K_M"), 2);
  const auto prefix = random_tokens(250, kVocabulary, 5);
  // Nodes 0-1-2-3… and 0-4-5…: two branches across the chunk's edge.
  const std::vector<TokenId> nodes = random_tokens(24, kVocabulary, 6);
  std::vector<int32_t> parents;
  for (int32_t i = 0; i < 24; ++i) parents.push_back(i == 12 ? 0 : i - 1);
  auto cache = test.cache(2048, 2);
  auto executor = test.executor(device::best_isa(), 250, 24);
  const auto sequence = MUST(cache.create_sequence());
  MUST(cache.reserve(sequence, 300, 24));
  PassSpec spec;
  for (const TokenId token : prefix) spec.columns.push_back({.sequence = sequence, .token = token});
  MUST(executor->run(spec, cache));
  spec.columns.clear();
  for (size_t i = 0; i < nodes.size(); ++i) {
    spec.columns.push_back(
        {.sequence = sequence, .token = nodes[i], .parent = parents[i], .wants_logits = true});
  }
  const PassResult tree = MUST(executor->run(spec, cache));
  const std::vector<float> tree_logits(tree.logits.begin(), tree.logits.end());
  for (const bool second : {false, true}) {
    std::vector<TokenId> path = prefix;
    std::vector<size_t> on_path;
    for (size_t i = 0; i < nodes.size(); ++i) {
      const bool mine = i == 0 || (second ? i >= 12 : i < 12);
      if (!mine) continue;
      path.push_back(nodes[i]);
      on_path.push_back(i);
    }
    auto evaluator = MUST(Evaluator::create({.model = *test.model,
                                             .pool = *test.pool,
                                             .account = test.account,
                                             .isa = device::best_isa(),
                                             .cache_type = ops::CacheType::kF16,
                                             .context = 300}));
    size_t next = 0;
    MUST(evaluator->evaluate(path, prefix.size(), [&](size_t, std::span<const float> row) {
      const auto* expected = tree_logits.data() + on_path[next++] * kVocabulary;
      EXPECT_EQ(std::memcmp(row.data(), expected, row.size_bytes()), 0) << next;
      return Status{};
    }));
  }
}

TEST(Faults, OneSequenceFailsAndItsNeighbourKeepsItsBits) {
  for (const char* type : {"Q4_K_M", "F32"}) {
    // Token 383's row is what a damaged file could hold: values that are not numbers.
    TestModel test(small_model("llama", type), 2, "token_embd.weight", 383);
    const auto good = random_tokens(20, 300, 8);
    const std::string alone =
        evaluate_hash(test, good, device::best_isa(), 0, ops::CacheType::kF16);
    auto cache = test.cache(600, 2);
    auto executor = test.executor(device::best_isa(), 64, 64);
    const auto bad_sequence = MUST(cache.create_sequence());
    const auto good_sequence = MUST(cache.create_sequence());
    PassSpec spec;
    spec.columns.push_back({.sequence = bad_sequence, .token = 383, .wants_logits = true});
    for (const TokenId token : good) {
      spec.columns.push_back({.sequence = good_sequence, .token = token, .wants_logits = true});
    }
    const PassResult result = MUST(executor->run(spec, cache));
    ASSERT_EQ(result.faults.size(), 1u) << type;
    EXPECT_EQ(result.faults[0].column, 0u);
    EXPECT_NE(result.faults[0].where.find("blk.0."), std::string::npos) << result.faults[0].where;
    LogitsHash beside;
    beside.add(result.logits.subspan(kVocabulary));
    EXPECT_EQ(beside.hex(), alone) << type;
  }
}

TEST(Engine, RequestsTogetherAnswerAsTheyWouldAlone) {
  TestModel test(small_model("qwen2", "Q4_K_M"), 2);
  const auto answers = [&](size_t together) {
    auto engine = MUST(Engine::create({.model = *test.model,
                                       .pool = *test.pool,
                                       .account = test.account,
                                       .isa = device::best_isa(),
                                       .cache_positions = 16 * 512,
                                       .columns_max = 24,
                                       .requests_max = together}));
    return answers_of(*engine, 12, together, [](size_t number) {
      GenerateRequest request;
      request.prompt = random_tokens(1 + number * 23 % 61, kVocabulary, number);
      request.sampling.seed = number;
      request.tokens_max = 20;
      request.context = 256;
      return request;
    });
  };
  const auto alone = answers(1);
  EXPECT_EQ(alone.size(), 12u);
  EXPECT_EQ(answers(5), alone);
  EXPECT_EQ(answers(12), alone);
}

TEST(Engine, AConversationComputesOnlyWhatIsNewAndSaysTheSame) {
  TestModel test(small_model("gemma3", "Q4_K_M"), 2);
  auto engine = MUST(Engine::create({.model = *test.model,
                                     .pool = *test.pool,
                                     .account = test.account,
                                     .isa = device::best_isa(),
                                     .cache_positions = 1024,
                                     .requests_max = 1}));
  const auto conversation = MUST(engine->open_conversation());
  const auto run = [&](std::vector<TokenId> prompt, bool reuse, RequestCounts& counts) {
    GenerateRequest request;
    request.prompt = std::move(prompt);
    request.tokens_max = 8;
    request.context = 512;
    if (reuse) request.conversation = conversation;
    MUST(engine->submit(std::move(request)));
    std::vector<TokenId> answer;
    while (!engine->idle()) {
      for (const TokenEvent& event : MUST(engine->step())) {
        answer.push_back(event.token);
        counts = event.counts;
      }
    }
    return answer;
  };
  auto prompt = random_tokens(200, kVocabulary, 1);
  RequestCounts counts;
  const auto first = run(prompt, true, counts);
  EXPECT_EQ(counts.reused_tokens, 0u);
  prompt.insert(prompt.end(), first.begin(), first.end());
  prompt.push_back(5);
  const auto second = run(prompt, true, counts);
  EXPECT_GE(counts.reused_tokens, 207u);
  EXPECT_EQ(run(prompt, false, counts), second);
  // Another beginning: what is kept is cut back to what is shared.
  prompt[100] = (prompt[100] + 1) % static_cast<TokenId>(kVocabulary);
  const auto third = run(prompt, true, counts);
  EXPECT_EQ(counts.reused_tokens, 100u);
  EXPECT_EQ(run(prompt, false, counts), third);
}

TEST(Engine, RefusesWhatCannotWorkWithNumbers) {
  TestModel test(small_model("llama", "Q8_0"), 1);
  auto engine = MUST(Engine::create({.model = *test.model,
                                     .pool = *test.pool,
                                     .account = test.account,
                                     .isa = device::best_isa(),
                                     .cache_positions = 512}));
  GenerateRequest request;
  request.prompt = random_tokens(100, kVocabulary, 1);
  request.context = 100;
  const auto too_long = engine->submit(request);
  ASSERT_FALSE(too_long.ok());
  EXPECT_EQ(too_long.error().code, ErrorCode::kRefused);
  EXPECT_NE(too_long.error().message.find("100"), std::string::npos);
  request.context = 5000;
  request.tokens_max = 4000;
  EXPECT_EQ(engine->submit(request).error().code, ErrorCode::kRefused);
  request.prompt = {static_cast<TokenId>(kVocabulary)};
  EXPECT_EQ(engine->submit(request).error().code, ErrorCode::kUsage);
  request.prompt.clear();
  EXPECT_EQ(engine->submit(request).error().code, ErrorCode::kUsage);
}

}  // namespace
}  // namespace freehold::runtime
