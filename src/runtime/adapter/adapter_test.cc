// Adapters: what they add against goldens computed in binary64 (golden/adapter) and, bit for bit,
// against the rule written out; and what is no adapter of this base, refused by name.

#include "runtime/adapter/adapter.h"

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "runtime/adapter/test_adapter.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/test_model.h"

namespace freehold::runtime {
namespace {

std::string golden_path(const std::string& name) {
  return std::string(FREEHOLD_SOURCE_DIR) + "/golden/" + name;
}

std::string file_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A base and an adapter of golden/, with a machine to run them.
struct Bench {
  device::MemoryAccount account;
  std::unique_ptr<device::WorkerPool> pool;
  std::unique_ptr<Model> model;
  std::unique_ptr<Adapter> adapter;

  explicit Bench(const std::string& name, size_t threads = 2) {
    pool = MUST(device::WorkerPool::create({.threads = threads, .pin = false}));
    const auto files = io::make_system_files();
    auto file = std::make_unique<model::GgufModel>(
        MUST(model::GgufModel::open(*files, golden_path("arch/" + name + ".gguf"))));
    model = MUST(Model::load(std::move(file), {account, *pool}));
    adapter = load_adapter(file_text(golden_path("adapter/" + name + ".gguf")), *model, account);
  }

  std::vector<float> logits(std::span<const TokenId> tokens, std::vector<AppliedAdapter> adapters,
                            device::Isa isa = device::best_isa(), size_t slice = 0) {
    auto evaluator = MUST(Evaluator::create({.model = *model,
                                             .pool = *pool,
                                             .account = account,
                                             .isa = isa,
                                             .cache_type = ops::CacheType::kF32,
                                             .context = tokens.size(),
                                             .slice = slice,
                                             .adapters = std::move(adapters)}));
    std::vector<float> all;
    MUST(evaluator->evaluate(tokens, 0, [&](size_t, std::span<const float> row) {
      all.insert(all.end(), row.begin(), row.end());
      return Status{};
    }));
    return all;
  }
};

struct Golden {
  double tolerance = 0;
  std::vector<TokenId> tokens;
  std::vector<size_t> positions;
  std::vector<std::vector<double>> logits;

  explicit Golden(const std::string& name) {
    const auto json = nlohmann::json::parse(file_text(golden_path("adapter/" + name + ".json")));
    tolerance = json.at("tolerance").get<double>();
    tokens = json.at("tokens").get<std::vector<TokenId>>();
    positions = json.at("positions").get<std::vector<size_t>>();
    logits = json.at("logits").get<std::vector<std::vector<double>>>();
  }

  /// Largest difference relative to each row's root mean square.
  double distance(std::span<const float> got) const {
    double worst = 0;
    for (size_t row = 0; row < positions.size(); ++row) {
      const auto& want = logits[row];
      double squares = 0;
      double largest = 0;
      for (size_t i = 0; i < want.size(); ++i) {
        const double value = static_cast<double>(got[positions[row] * want.size() + i]);
        squares += want[i] * want[i];
        largest = std::max(largest, std::fabs(value - want[i]));
      }
      worst = std::max(worst, largest / std::sqrt(squares / static_cast<double>(want.size())));
    }
    return worst;
  }
};

class AdapterGolden : public testing::TestWithParam<const char*> {};

TEST_P(AdapterGolden, AgreesOnEveryInstructionSetInAnySlices) {
  const Golden golden(GetParam());
  ASSERT_GE(golden.positions.size(), 8u);
  Bench bench(GetParam());
  for (const auto isa : {device::Isa::kScalar, device::Isa::kAvx2, device::best_isa()}) {
    if (isa > device::best_isa()) continue;
    for (const size_t slice : {size_t{0}, size_t{1}, size_t{17}}) {
      EXPECT_LE(golden.distance(bench.logits(golden.tokens, {{bench.adapter.get()}}, isa, slice)),
                golden.tolerance)
          << "slice " << slice << ", " << device::isa_name(isa);
    }
  }
}

/// The adapter's file with the layers 0 and 1 exchanged.
std::string layers_exchanged(std::string bytes) {
  for (size_t at = bytes.find("blk."); at != std::string::npos; at = bytes.find("blk.", at + 1)) {
    char& layer = bytes[at + 4];
    if (bytes[at + 5] == '.' && (layer == '0' || layer == '1')) {
      layer = static_cast<char>('0' + '1' - layer);
    }
  }
  return bytes;
}

TEST_P(AdapterGolden, MutantsAreRejected) {
  const Golden golden(GetParam());
  Bench bench(GetParam());
  const Adapter* own = bench.adapter.get();
  const auto exchanged = load_adapter(
      layers_exchanged(file_text(golden_path(std::string("adapter/") + GetParam() + ".gguf"))),
      *bench.model, bench.account);
  const auto other = load_adapter(adapter_for(*bench.model, 5), *bench.model, bench.account);
  const std::vector<std::pair<const char*, std::vector<AppliedAdapter>>> mutants = {
      {"no adapter", {}},
      {"scale doubled", {{own, 2.0f}}},
      {"scale a little off", {{own, 1.01f}}},
      {"added twice", {{own}, {own}}},
      {"subtracted", {{own, -1.0f}}},
      {"another layer's pair", {{exchanged.get()}}},
      {"another sequence's adapter too", {{own}, {other.get()}}},
  };
  for (const auto& [name, adapters] : mutants) {
    EXPECT_GT(golden.distance(bench.logits(golden.tokens, adapters)), golden.tolerance) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(All, AdapterGolden, testing::Values("llama_mha", "phi3", "gemma3"));

/// The rule by itself: rows by the formats' references, then one fma each.
std::vector<float> by_the_rule(const AdapterPair& pair, float scale, std::span<const float> x,
                               std::vector<float> out) {
  const auto times = [](const AdapterMatrix& matrix, const std::vector<float>& in) {
    std::vector<float> y(matrix.rows);
    quant::PanelDot dot;
    dot.rows = matrix.data;
    dot.row_bytes = matrix.row_bytes();
    dot.row_count = matrix.rows;
    dot.x.columns = 1;
    dot.x.width = matrix.width;
    dot.x.x = in.data();
    dot.x.x_stride = in.size();
    dot.y = y.data();
    dot.y_stride = matrix.rows;
    matrix.format->dot_ref(dot);
    return y;
  };
  const auto t = times(pair.a, {x.begin(), x.end()});
  const auto y = times(pair.b, t);
  const auto s = static_cast<float>(16.0 / static_cast<double>(pair.rank) * double{scale});
  for (size_t i = 0; i < out.size(); ++i) out[i] = std::fma(s, y[i], out[i]);
  return out;
}

// The output matrix shows its input: a pair that copies it, times 2^100, leaves nothing else of the
// logits. With that the rule can be written out and compared bit for bit.
TEST(Adapter, IsTheRuleBitForBit) {
  Bench bench("llama_mha");
  const size_t vocabulary = bench.model->parameters().vocabulary;
  const size_t width = bench.model->parameters().width;
  model::GgufBytes file = adapter_keys("llama");
  add_pair(file, "output.weight", width, vocabulary, width);
  std::string copies = file.build();
  auto* const values = copies.data() + file.data_start();
  std::memset(values, 0, copies.size() - file.data_start());
  const float factor = static_cast<float>(width) / 16.0f * 0x1p100f;
  for (size_t i = 0; i < width; ++i) {
    const float one = 1.0f;
    std::memcpy(values + (i * width + i) * 4, &one, 4);
    std::memcpy(values + (width * width + i * width + i) * 4, &one, 4);
  }
  const auto copying = load_adapter(copies, *bench.model, bench.account);
  model::GgufBytes plain = adapter_keys("llama");
  add_pair(plain, "output.weight", width, vocabulary, 11);
  const auto adapter = load_adapter(with_random_values(plain, 3), *bench.model, bench.account);
  const auto second = load_adapter(with_random_values(plain, 4), *bench.model, bench.account);
  const auto tokens = random_tokens(20, static_cast<uint32_t>(vocabulary), 9);
  const auto base = bench.logits(tokens, {});
  const auto inputs = bench.logits(tokens, {{copying.get(), factor}});
  const auto got = bench.logits(tokens, {{adapter.get(), 0.37f}, {second.get(), 3.0f}});
  const AdapterPair& pair = *adapter->find("output.weight");
  for (size_t token = 0; token < tokens.size(); ++token) {
    std::vector<float> x(inputs.begin() + static_cast<ptrdiff_t>(token * vocabulary),
                         inputs.begin() + static_cast<ptrdiff_t>(token * vocabulary + width));
    for (float& value : x) value *= 0x1p-100f;
    std::vector<float> row(base.begin() + static_cast<ptrdiff_t>(token * vocabulary),
                           base.begin() + static_cast<ptrdiff_t>((token + 1) * vocabulary));
    row = by_the_rule(pair, 0.37f, x, std::move(row));
    const auto other_order = row;
    row = by_the_rule(*second->find("output.weight"), 3.0f, x, std::move(row));
    EXPECT_TRUE(std::equal(row.begin(), row.end(),
                           got.begin() + static_cast<ptrdiff_t>(token * vocabulary)))
        << token;
  }
  // Order is part of the rule, so it must show.
  EXPECT_NE(bench.logits(tokens, {{second.get(), 3.0f}, {adapter.get(), 0.37f}}), got);
}

TEST(Adapter, MemoryIsWhatItSays) {
  Bench bench("phi3");
  const uint64_t before = bench.account.held_total();
  const auto adapter = load_adapter(adapter_for(*bench.model, 1), *bench.model, bench.account);
  EXPECT_GE(bench.account.held_total() - before, adapter->bytes());
  EXPECT_LT(bench.account.held_total() - before, adapter->bytes() + 4096);
  EXPECT_GT(adapter->rank_max(), 8u);
}

// --- Refusals -----------------------------------------------------------------------------------

struct Refusal {
  const char* name;
  std::function<void(model::GgufBytes&)> make;
  ErrorCode code;
  std::vector<std::string> says;
  const char* type = "adapter";
  const char* architecture = "llama";
  const char* kind = "lora";
};

/// Each wrong in one thing, for a base that is 48 wide.
std::vector<Refusal> refusals() {
  const auto pair = [](const char* name, uint64_t in, uint64_t out, uint64_t rank) {
    return [=](model::GgufBytes& file) { add_pair(file, name, in, out, rank); };
  };
  const auto half = [](const char* name, std::vector<uint64_t> dims) {
    return [=](model::GgufBytes& file) {
      uint64_t bytes = 4;
      for (const uint64_t dim : dims) bytes *= dim;
      file.tensor(name, dims, kAdapterTypeF32, bytes);
    };
  };
  const char* const kQuery = "blk.0.attn_q.weight";
  const auto refused = ErrorCode::kRefused;
  return {
      {"a model", pair(kQuery, 48, 48, 4), refused, {"general.type", "model"}, "model"},
      {"another kind",
       pair(kQuery, 48, 48, 4),
       refused,
       {"ia3", "lora"},
       "adapter",
       "llama",
       "ia3"},
      {"another architecture",
       pair(kQuery, 48, 48, 4),
       refused,
       {"qwen2", "llama"},
       "adapter",
       "qwen2"},
      {"another width", pair(kQuery, 64, 48, 4), refused, {kQuery, "64", "48"}},
      {"other rows", pair(kQuery, 48, 96, 4), refused, {kQuery, "96", "48"}},
      {"another layer", pair("blk.99.attn_q.weight", 48, 48, 4), refused, {"blk.99.attn_q.weight"}},
      {"a rank beyond", pair(kQuery, 48, 48, 4097), refused, {"4097", "4096"}},
      {"a vector", pair("blk.0.attn_norm.weight", 48, 48, 4), refused, {"attn_norm", "vectors"}},
      {"a whole tensor",
       half("output_norm.weight", {48}),
       refused,
       {"output_norm.weight", "lora_a"}},
      {"half a pair",
       half("blk.0.attn_q.weight.lora_a", {48, 4}),
       ErrorCode::kDamaged,
       {"blk.0.attn_q.weight.lora_b"}},
      {"three dimensions",
       half("blk.0.attn_q.weight.lora_a", {48, 4, 2}),
       refused,
       {"3", "lora_a"}},
      {"an embedding the wrong way",
       pair("token_embd.weight", 48, 128, 4),
       refused,
       {"token_embd.weight"}},
      {"nothing", [](model::GgufBytes&) {}, ErrorCode::kDamaged, {"no pairs"}},
      {"switched on by tokens",
       [=](model::GgufBytes& file) {
         file.array<uint32_t>("adapter.alora.invocation_tokens", 4, {1, 2});
         add_pair(file, kQuery, 48, 48, 4);
       },
       refused,
       {"adapter.alora.invocation_tokens"}},
  };
}

TEST(Adapter, RefusesByNameWithBothNumbers) {
  Bench bench("llama_mha");
  for (const Refusal& refusal : refusals()) {
    model::GgufBytes file;
    file.text("general.type", refusal.type).text("general.architecture", refusal.architecture);
    file.text("adapter.type", refusal.kind).f32("adapter.lora.alpha", 16.0f);
    refusal.make(file);
    const uint64_t before = bench.account.peak_total();
    const auto opened = open_adapter(file.build(), *bench.model);
    EXPECT_EQ(bench.account.peak_total(), before);
    ASSERT_FALSE(opened.ok()) << refusal.name;
    EXPECT_EQ(opened.error().code, refusal.code) << refusal.name << ": " << opened.error().message;
    for (const std::string& part : refusal.says) {
      EXPECT_NE(opened.error().message.find(part), std::string::npos)
          << refusal.name << ": " << opened.error().message;
    }
  }
}

TEST(Adapter, AlphaIsANumberOrNotThere) {
  Bench bench("llama_mha");
  const auto opened = [&](auto&& add_alpha) {
    model::GgufBytes file;
    file.text("general.type", "adapter").text("general.architecture", "llama");
    file.text("adapter.type", "lora");
    add_alpha(file);
    add_pair(file, "blk.0.attn_q.weight", 48, 48, 4);
    return open_adapter(file.build(), *bench.model);
  };
  const auto factor = [](const Adapter& adapter) {
    return adapter.find("blk.0.attn_q.weight")->factor;
  };
  EXPECT_EQ(factor(*MUST(opened([](auto&) {}))), 1.0);
  EXPECT_EQ(factor(*MUST(opened([](auto& f) { f.f32("adapter.lora.alpha", 0.0f); }))), 1.0);
  EXPECT_EQ(factor(*MUST(opened([](auto& f) { f.f32("adapter.lora.alpha", 6.0f); }))), 1.5);
  for (const float bad : {NAN, INFINITY, 1e30f}) {
    const auto result = opened([&](auto& file) { file.f32("adapter.lora.alpha", bad); });
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error().code, ErrorCode::kDamaged);
  }
  const auto text = opened([](auto& file) { file.text("adapter.lora.alpha", "16"); });
  EXPECT_EQ(text.error().code, ErrorCode::kDamaged);
}

TEST(Adapter, ATiedOutputMatrixIsNoTarget) {
  Bench bench("gemma3");
  model::GgufBytes file = adapter_keys("gemma3");
  add_pair(file, "output.weight", bench.model->parameters().width,
           bench.model->parameters().vocabulary, 4);
  const auto opened = open_adapter(file.build(), *bench.model);
  ASSERT_FALSE(opened.ok());
  EXPECT_NE(opened.error().message.find("output.weight"), std::string::npos);
}

// --- Invariance ---------------------------------------------------------------------------------

constexpr uint32_t kVocabulary = 384;

/// Logits of every sequence, computed in pieces of random length in the same passes; each its own
/// list of adapters.
std::vector<std::string> hashes_of(TestModel& test, const std::vector<std::vector<TokenId>>& texts,
                                   const std::vector<std::vector<AppliedAdapter>>& adapters,
                                   device::Isa isa, uint64_t seed) {
  constexpr size_t kPieceMax = 30;
  const size_t count = texts.size();
  auto cache = test.cache(512 * count, count);
  auto executor = MUST(Executor::create({.architecture = test.model->architecture(),
                                         .parameters = test.model->parameters(),
                                         .weights = test.model->weights(),
                                         .pool = *test.pool,
                                         .account = test.account,
                                         .isa = isa,
                                         .columns_max = kPieceMax * count,
                                         .logits_max = kPieceMax * count,
                                         .adapter_rank_max = 64}));
  base::RandomStream random(seed);
  std::vector<SequenceId> ids(count);
  for (SequenceId& id : ids) id = MUST(cache.create_sequence());
  std::vector<LogitsHash> hashes(count);
  std::vector<size_t> done(count);
  while (true) {
    PassSpec spec;
    std::vector<std::pair<size_t, size_t>> rows;  // sequence, columns
    for (size_t i = 0; i < count; ++i) {
      const size_t left = texts[i].size() - done[i];
      const size_t take = std::min<size_t>(left, random.below(kPieceMax + 1));
      for (size_t at = 0; at < take; ++at) {
        spec.columns.push_back({.sequence = ids[i],
                                .token = texts[i][done[i] + at],
                                .wants_logits = true,
                                .adapters = adapters[i]});
      }
      done[i] += take;
      rows.emplace_back(i, take);
    }
    if (spec.columns.empty()) {
      if (done[0] == texts[0].size() && done[count - 1] == texts[count - 1].size()) break;
      continue;
    }
    const PassResult pass = MUST(executor->run(spec, cache));
    size_t row = 0;
    for (const auto& [sequence, taken] : rows) {
      hashes[sequence].add(pass.logits.subspan(row * kVocabulary, taken * kVocabulary));
      row += taken;
    }
  }
  std::vector<std::string> out;
  for (LogitsHash& hash : hashes) out.push_back(hash.hex());
  return out;
}

class AdapterInvariance : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(AdapterInvariance, ASequencesBitsAreItsOwn) {
  const auto options = small_model(GetParam().first, GetParam().second);
  std::vector<std::vector<TokenId>> texts;
  for (uint64_t i = 0; i < 4; ++i) texts.push_back(random_tokens(30 + 10 * i, kVocabulary, i));
  std::vector<std::set<std::string>> seen(texts.size());
  std::set<std::string> with_another;
  for (const size_t threads : {1u, 3u}) {
    TestModel test(options, threads);
    const auto first = load_adapter(adapter_for(*test.model, 1), *test.model, test.account);
    const auto second = load_adapter(adapter_for(*test.model, 2), *test.model, test.account);
    const std::vector<std::vector<AppliedAdapter>> adapters = {
        {}, {{first.get()}}, {{second.get(), 0.5f}}, {{first.get(), 2.0f}, {second.get()}}};
    for (const auto isa : {device::Isa::kScalar, device::Isa::kAvx2, device::best_isa()}) {
      if (isa > device::best_isa() || (isa == device::Isa::kScalar && threads != 3)) continue;
      const auto together = hashes_of(test, texts, adapters, isa, threads * 10);
      for (size_t i = 0; i < texts.size(); ++i) {
        seen[i].insert(together[i]);
        seen[i].insert(hashes_of(test, {texts[i]}, {adapters[i]}, isa, threads)[0]);
        if (isa != device::best_isa()) continue;
        // What a neighbour's adapter would leave, if it leaked, is something else.
        with_another.insert(hashes_of(test, {texts[i]}, {adapters[(i + 1) % 4]}, isa, 1)[0]);
      }
    }
  }
  for (size_t i = 0; i < texts.size(); ++i) {
    EXPECT_EQ(seen[i].size(), 1u) << i;
    EXPECT_FALSE(with_another.contains(*seen[i].begin())) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, AdapterInvariance, testing::Values(std::pair{"llama", "Q4_K_M"}));
INSTANTIATE_TEST_SUITE_P(MoreModelsSlow, AdapterInvariance,
                         testing::Values(std::pair{"phi3", "Q4_K_M"}, std::pair{"gemma4", "Q8_0"},
                                         std::pair{"qwen3moe", "Q4_K_M"}));

TEST(Adapter, StreamedWeightsGiveTheSameBits) {
  const auto options = small_model("llama", "Q4_K_M");
  const auto tokens = random_tokens(40, kVocabulary, 3);
  std::set<std::string> hashes;
  for (const bool streamed : {false, true}) {
    TestModel test(options, 2, [&](Model& opened, Model::Options load) {
      WeightLayout layout = opened.layout(kPanelBytesMin);
      if (streamed) layout.pin_at_most(0);
      load.streaming = {.ring_bytes = 0};
      return opened.load_weights(layout, load);
    });
    EXPECT_EQ(test.model->weights().ring() != nullptr, streamed);
    const auto adapter = load_adapter(adapter_for(*test.model, 1), *test.model, test.account);
    hashes.insert(hashes_of(test, {tokens}, {{{adapter.get()}}}, device::best_isa(), 1)[0]);
  }
  EXPECT_EQ(hashes.size(), 1u);
}

// --- The engine ---------------------------------------------------------------------------------

struct EngineBench {
  TestModel test{small_model("llama", "Q4_K_M"), 2};
  std::unique_ptr<Adapter> first =
      load_adapter(adapter_for(*test.model, 1), *test.model, test.account);
  std::unique_ptr<Adapter> second =
      load_adapter(adapter_for(*test.model, 2), *test.model, test.account);

  std::unique_ptr<Engine> engine(size_t requests, uint64_t rank = 64) {
    return MUST(Engine::create({.model = *test.model,
                                .pool = *test.pool,
                                .account = test.account,
                                .isa = device::best_isa(),
                                .cache_positions = 4096,
                                .columns_max = 24,
                                .requests_max = requests,
                                .adapter_rank_max = rank}));
  }
};

TEST(AdapterEngine, RequestsTogetherAnswerAsTheyWouldAlone) {
  EngineBench bench;
  const std::vector<std::vector<AppliedAdapter>> lists = {
      {}, {{bench.first.get()}}, {{bench.second.get(), 0.5f}}};
  const auto answers = [&](size_t together) {
    auto engine = bench.engine(together);
    return answers_of(*engine, 6, together, [&](size_t number) {
      GenerateRequest request;
      request.prompt = random_tokens(20, kVocabulary, number / 3);  // one prompt, three adapters
      request.tokens_max = 12;
      request.context = 256;
      request.adapters = lists[number % 3];
      return request;
    });
  };
  const auto alone = answers(1);
  EXPECT_EQ(alone.size(), 6u);
  EXPECT_NE(alone.at(0), alone.at(1));
  EXPECT_NE(alone.at(1), alone.at(2));
  EXPECT_EQ(answers(6), alone);
}

TEST(AdapterEngine, AConversationIsComputedAgainForOtherAdapters) {
  EngineBench bench;
  auto engine = bench.engine(1);
  const auto conversation = MUST(engine->open_conversation());
  RequestCounts counts;
  const auto run = [&](std::vector<AppliedAdapter> adapters, bool reuse) {
    GenerateRequest request;
    request.prompt = random_tokens(60, kVocabulary, 1);
    request.tokens_max = 8;
    request.context = 256;
    request.adapters = std::move(adapters);
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
  const std::vector<std::vector<AppliedAdapter>> lists = {
      {{bench.first.get()}}, {}, {{bench.second.get()}}, {{bench.second.get(), 0.5f}}};
  for (const auto& list : lists) {
    const auto kept = run(list, true);
    EXPECT_EQ(counts.reused_tokens, 0u);
    EXPECT_EQ(run(list, true), kept);
    EXPECT_EQ(counts.reused_tokens, 59u);
    EXPECT_EQ(run(list, false), kept);
  }
}

TEST(AdapterEngine, ARankThatTheEngineWasNotMadeForIsRefused) {
  EngineBench bench;
  auto engine = bench.engine(1, 4);
  GenerateRequest request;
  request.prompt = {1, 2, 3};
  request.adapters = {{bench.first.get()}};
  const auto submitted = engine->submit(std::move(request));
  ASSERT_FALSE(submitted.ok());
  EXPECT_EQ(submitted.error().code, ErrorCode::kUsage);
  EXPECT_NE(submitted.error().message.find("at most 4"), std::string::npos);
}

}  // namespace
}  // namespace freehold::runtime
