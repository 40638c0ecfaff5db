// Streamed weights change no bit: the logits of a model are the same whatever is pinned, however
// small the panels and the ring, and whichever backend reads (docs/NUMERICS.md, section 7, point
// 3).

#include <set>

#include "io/simulated_file_system.h"
#include "runtime/engine/engine.h"
#include "runtime/engine/test_model.h"

namespace freehold::runtime {
namespace {

constexpr size_t kTokens = 70;
constexpr uint32_t kVocabulary = 384;

/// The same model with `sixteenths` of its matrices pinned.
struct StreamedModel : TestModel {
  StreamedModel(const factory::FactoryOptions& options, size_t threads, uint64_t sixteenths,
                uint64_t ring_bytes, io::ReadBackend backend)
      : TestModel(options, threads, [&](Model& opened, Model::Options load) {
          WeightLayout layout = opened.layout(kPanelBytesMin);
          layout.pin_at_most(layout.bytes() / 16 * sixteenths);
          // Of 16 experts in all, from one at a time to most of them.
          load.streaming = {.ring_bytes = ring_bytes,
                            .expert_bytes = layout.expert_slot_bytes() * (sixteenths + 1),
                            .backend = backend};
          return opened.load_weights(layout, load);
        }) {}
};

class StreamingTest : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(StreamingTest, OneHash) {
  const auto options = small_model(GetParam().first, GetParam().second);
  const auto tokens = random_tokens(kTokens, kVocabulary, 3);
  std::set<std::string> hashes;
  TestModel resident(options, 2);
  hashes.insert(evaluate_hash(resident, tokens, device::best_isa(), 0, ops::CacheType::kF16));
  for (const size_t threads : {1u, 3u}) {
    for (const uint64_t sixteenths : {0u, 2u, 8u, 15u}) {
      for (const auto backend : {io::ReadBackend::kAuto, io::ReadBackend::kThreads}) {
        StreamedModel streamed(options, threads, sixteenths,
                               sixteenths % 3 == 0 ? 0 : uint64_t{1} << 20, backend);
        const WeightStore& weights = streamed.model->weights();
        ASSERT_TRUE(weights.ring() != nullptr || weights.experts() != nullptr);
        for (const size_t slice : {size_t{0}, size_t{1}, size_t{16}}) {
          hashes.insert(
              evaluate_hash(streamed, tokens, device::best_isa(), slice, ops::CacheType::kF16));
        }
      }
    }
  }
  EXPECT_EQ(hashes.size(), 1u);
}

INSTANTIATE_TEST_SUITE_P(Models, StreamingTest,
                         testing::Values(std::pair{"llama", "Q4_K_M"}, std::pair{"qwen2", "Q5_0"},
                                         std::pair{"gemma3", "Q6_K"}, std::pair{"llama", "F16"},
                                         std::pair{"qwen3moe", "Q4_K_M"},
                                         std::pair{"qwen3moe", "Q8_0"}));
// Other arithmetic over the same ring and threads: not once more under the sanitizers.
INSTANTIATE_TEST_SUITE_P(
    MoreModelsSlow, StreamingTest,
    testing::Values(std::pair{"gemma2", "Q4_K_M"}, std::pair{"smollm3", "Q4_K_M"},
                    std::pair{"granite", "Q4_K_M"}, std::pair{"olmo2", "Q4_K_M"},
                    std::pair{"exaone4", "Q4_K_M"}, std::pair{"glm4", "Q4_K_M"},
                    std::pair{"seed_oss", "Q4_K_M"}, std::pair{"phi3", "Q4_K_M"},
                    std::pair{"cohere2", "Q4_K_M"}, std::pair{"mistral3", "Q4_K_M"},
                    std::pair{"gemma4", "Q4_K_M"}, std::pair{"gemma3n", "Q4_K_M"},
                    std::pair{"command-r", "Q4_K_M"}, std::pair{"ernie4_5", "Q4_K_M"}));

TEST(Streaming, AnEngineAnswersAsTheResidentOneDoes) {
  const auto options = small_model("qwen2", "Q4_K_M");
  std::vector<std::vector<TokenId>> answers;
  for (const uint64_t sixteenths : {16u, 3u}) {
    StreamedModel test(options, 2, sixteenths, uint64_t{1} << 20, io::ReadBackend::kAuto);
    auto engine = MUST(Engine::create({.model = *test.model,
                                       .pool = *test.pool,
                                       .account = test.account,
                                       .isa = device::best_isa(),
                                       .cache_positions = 512,
                                       .columns_max = 24,
                                       .requests_max = 3}));
    std::vector<std::vector<TokenId>> made(3);
    std::vector<RequestId> ids;
    for (uint64_t i = 0; i < 3; ++i) {
      GenerateRequest request;
      request.prompt = random_tokens(20 + 15 * i, kVocabulary, i);
      request.tokens_max = 12;
      request.context = 128;
      request.sampling.seed = 5;
      ids.push_back(MUST(engine->submit(std::move(request))));
    }
    while (!engine->idle()) {
      for (const TokenEvent& event : MUST(engine->step())) {
        for (size_t i = 0; i < 3; ++i) {
          if (event.request == ids[i]) made[i].push_back(event.token);
        }
      }
    }
    for (auto& tokens : made) answers.push_back(std::move(tokens));
  }
  ASSERT_EQ(answers.size(), 6u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(answers[i], answers[i + 3]);
}

/// Tokens that an engine makes of `prompt` in a conversation that starts from `saved`.
struct Continued {
  std::vector<TokenId> tokens;
  uint64_t reused = 0;
  std::vector<std::byte> saved;
  Status restored;
};
Continued continue_from(TestModel& test, const std::vector<TokenId>& prompt,
                        std::span<const std::byte> saved, const std::string& model_id = "m") {
  auto engine = MUST(Engine::create({.model = *test.model,
                                     .pool = *test.pool,
                                     .account = test.account,
                                     .isa = device::best_isa(),
                                     .cache_positions = 512,
                                     .columns_max = 32,
                                     .model_id = model_id}));
  const auto conversation = MUST(engine->open_conversation());
  Continued made;
  if (!saved.empty()) made.restored = engine->restore_conversation(conversation, saved);
  GenerateRequest request;
  request.prompt = prompt;
  request.tokens_max = 10;
  request.context = 256;
  request.sampling.seed = 11;
  request.conversation = conversation;
  MUST(engine->submit(std::move(request)));
  while (!engine->idle()) {
    for (const TokenEvent& event : MUST(engine->step())) {
      made.tokens.push_back(event.token);
      made.reused = event.counts.reused_tokens;
    }
  }
  made.saved = engine->save_conversation(conversation);
  return made;
}

class PromptCacheOf : public testing::TestWithParam<const char*> {};

TEST_P(PromptCacheOf, GoesOnBitForBitAndComputesOnlyWhatIsNew) {
  TestModel test(small_model(GetParam(), "Q4_K_M"), 2);
  const auto first = random_tokens(90, kVocabulary, 1);
  auto longer = first;
  longer.insert(longer.end(), {5, 6, 7});
  const Continued before = continue_from(test, first, {});
  const Continued plain = continue_from(test, longer, {});
  const Continued continued = continue_from(test, longer, before.saved);
  continued.restored.value();
  EXPECT_EQ(continued.tokens, plain.tokens);
  EXPECT_EQ(plain.reused, 0u);
  EXPECT_EQ(continued.reused, first.size());
  EXPECT_EQ(continued.saved, plain.saved);  // the cache's every bit
  // Another text shares nothing and is none the worse.
  const auto other = random_tokens(40, kVocabulary, 2);
  EXPECT_EQ(continue_from(test, other, before.saved).tokens, continue_from(test, other, {}).tokens);
}

INSTANTIATE_TEST_SUITE_P(Models, PromptCacheOf, testing::Values("qwen2", "gemma3", "gemma4"));
INSTANTIATE_TEST_SUITE_P(MoreModelsSlow, PromptCacheOf,
                         testing::Values("llama", "qwen3", "qwen3moe", "gemma2", "smollm3",
                                         "granite", "olmo2", "exaone4", "glm4", "seed_oss", "phi3",
                                         "cohere2", "mistral3", "command-r", "ernie4_5",
                                         "gemma3n"));

TEST(PromptCache, DamageAndOtherModelsAreRefusedAndLeaveAnEmptyConversation) {
  TestModel test(small_model("qwen2", "Q4_K_M"), 2);
  const auto prompt = random_tokens(20, kVocabulary, 1);
  const Continued before = continue_from(test, prompt, {});
  const Continued other = continue_from(test, prompt, before.saved, "another");
  EXPECT_EQ(other.restored.error().code, ErrorCode::kRefused);
  EXPECT_EQ(other.reused, 0u);
  base::RandomStream random(2);
  for (int round = 0; round < 60; ++round) {
    std::vector<std::byte> damaged = before.saved;
    if (round % 2 == 0) {
      damaged.resize(random.below(static_cast<uint32_t>(damaged.size())));
    } else {
      const uint32_t at =
          random.below(round % 4 == 1 ? 200 : static_cast<uint32_t>(damaged.size()));
      damaged[at] ^= std::byte{1} << random.below(8);
    }
    if (damaged.empty()) continue;
    const Continued made = continue_from(test, prompt, damaged);
    EXPECT_FALSE(made.restored.ok()) << round;
    EXPECT_EQ(made.tokens, before.tokens);
  }
}

TEST(StreamingSlow, AThousandRequestsHoldNoMoreThanTheFirst) {
  StreamedModel test(small_model("llama", "Q4_K_M"), 2, 4, uint64_t{1} << 19,
                     io::ReadBackend::kAuto);
  auto engine = MUST(Engine::create({.model = *test.model,
                                     .pool = *test.pool,
                                     .account = test.account,
                                     .isa = device::best_isa(),
                                     .cache_positions = 256,
                                     .columns_max = 16,
                                     .requests_max = 2}));
  uint64_t held = 0;
  uint64_t resident = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    GenerateRequest request;
    request.prompt = random_tokens(1 + i % 9, kVocabulary, i);
    request.tokens_max = 1 + i % 3;
    request.context = 64;
    MUST(engine->submit(std::move(request)));
    while (!engine->idle()) MUST(engine->step());
    if (i == 20) {
      held = test.account.held_total();
      resident = device::resident_bytes();
    }
  }
  EXPECT_EQ(test.account.held_total(), held);
  EXPECT_LT(device::resident_bytes(), resident + (uint64_t{2} << 20));
}

class StreamingFaults : public testing::TestWithParam<const char*> {};

TEST_P(StreamingFaults, AFileThatChangesFailsTheRequestAndNotTheProcess) {
  const auto options = small_model(GetParam(), "Q4_K_M");
  const auto files = io::make_system_files();
  const std::string path =
      testing::TempDir() + "freehold-changing-" + std::to_string(::getpid()) + ".gguf";
  MUST(factory::write_model(*files, path, options));
  device::MemoryAccount account;
  const auto pool = MUST(device::WorkerPool::create({.threads = 2, .pin = false}));
  const auto model = MUST(
      Model::open(std::make_unique<model::GgufModel>(MUST(model::GgufModel::open(*files, path)))));
  WeightLayout layout = model->layout(kPanelBytesMin);
  layout.pin_at_most(layout.bytes() / 4);
  model->load_weights(layout, {account, *pool, nullptr, files.get(), {.ring_bytes = 1 << 20}})
      .value();
  auto evaluator = MUST(Evaluator::create({.model = *model,
                                           .pool = *pool,
                                           .account = account,
                                           .isa = device::best_isa(),
                                           .context = 16}));
  const auto tokens = random_tokens(8, kVocabulary, 1);
  const auto evaluate = [&] {
    return evaluator->evaluate(tokens, 7, [](size_t, std::span<const float>) { return Status{}; });
  };
  evaluate().value();
  // Replaced by name: the old file is still the one that is open, and its answers are right.
  const std::string old = path + ".old";
  std::filesystem::create_hard_link(path, old);
  std::ofstream(path + ".new") << "another file";
  std::filesystem::rename(path + ".new", path);
  evaluate().value();
  // Rewritten in place, then cut: refused.
  {
    std::fstream file(old, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-64, std::ios::end);
    file << "changed";
  }
  EXPECT_EQ(evaluate().error().code, ErrorCode::kDamaged);
  std::filesystem::resize_file(old, 4096);
  EXPECT_EQ(evaluate().error().code, ErrorCode::kDamaged);
  std::filesystem::remove(path);
  std::filesystem::remove(old);
}

INSTANTIATE_TEST_SUITE_P(Models, StreamingFaults, testing::Values("llama", "qwen3moe"));

/// A model on a simulated disk beside the store's checksums of it.
struct StoredModel {
  static constexpr const char* kPath = "/m.gguf";
  io::SimulatedFileSystem disk;
  device::MemoryAccount account;
  std::unique_ptr<device::WorkerPool> pool;
  std::unique_ptr<Model> model;
  std::vector<std::string> mirrors;
  std::vector<float> logits;

  explicit StoredModel(bool in_store = true) {
    pool = MUST(device::WorkerPool::create({.threads = 2, .pin = false}));
    MUST(factory::write_model(disk, kPath, small_model("llama", "Q4_K_M")));
    const std::string content = disk.content(kPath);
    io::PanelChecksumBuilder builder;
    builder.add(std::as_bytes(std::span(content.data(), content.size())));
    if (in_store) {
      disk.put(io::panel_checksums_path(kPath), std::move(builder).finish().encode());
    }
    model = MUST(
        Model::open(std::make_unique<model::GgufModel>(MUST(model::GgufModel::open(disk, kPath)))));
  }

  /// Loads with `sixteenths` of the matrices pinned and looks up token `row`'s embedding.
  Status use(uint64_t sixteenths, uint64_t row = 0) {
    WeightLayout layout = model->layout(kPanelBytesMin);
    layout.pin_at_most(layout.bytes() / 16 * sixteenths);
    TRY(model->load_weights(
        layout, {account, *pool, nullptr, &disk, {.ring_bytes = 1 << 20, .mirrors = mirrors}}));
    auto evaluator = TRY(Evaluator::create({.model = *model,
                                            .pool = *pool,
                                            .account = account,
                                            .isa = device::best_isa(),
                                            .context = 4}));
    const TokenId tokens[] = {static_cast<TokenId>(row), 3};
    return evaluator->evaluate(tokens, 1, [this](size_t, std::span<const float> scores) {
      logits.assign(scores.begin(), scores.end());
      return Status{};
    });
  }
};

TEST(StoredModel, AFlippedBitAnywhereIsCaughtWhereverTheWeightsAre) {
  StoredModel stored;
  stored.use(16).value();
  const model::GgufModel& file = stored.model->file();
  uint64_t header_end = file.shards()[0]->size();
  for (const model::TensorInfo& tensor : file.tensors()) {
    header_end = std::min(header_end, tensor.offset);
  }
  const auto caught = [&](uint64_t at, const std::string& what, uint64_t row = 0) {
    stored.disk.flip_on_the_way(StoredModel::kPath, at, 5);
    for (const uint64_t sixteenths : {16u, 8u, 0u}) {
      const Status status = stored.use(sixteenths, row);
      EXPECT_EQ(status.ok() ? ErrorCode::kUsage : status.error().code, ErrorCode::kDamaged)
          << what << ", byte " << at << ", pinned " << sixteenths;
    }
    stored.disk.flip_on_the_way(StoredModel::kPath, at, 5);
  };
  for (const uint64_t at : {uint64_t{9}, header_end / 2, header_end - 1}) caught(at, "header");
  for (const model::TensorInfo& tensor : file.tensors()) {
    if (tensor.name == "token_embd.weight") {
      // Read by row: what is wrong in a row that is asked for.
      const size_t row_bytes = tensor.format->row_bytes(tensor.width());
      for (const uint64_t row : {0u, 77u, 383u}) {
        caught(tensor.offset + row * row_bytes + row % row_bytes, tensor.name, row);
      }
      continue;
    }
    for (const uint64_t at : {uint64_t{0}, tensor.bytes / 2, tensor.bytes - 1}) {
      caught(tensor.offset + at, tensor.name);
    }
  }
  stored.use(8).value();
}

TEST(StoredModel, OutsideTheStoreNobodySeesAFlippedBitInWhatIsReadOnce) {
  // The control, and what docs/STREAMING-FAULTS.md says is not promised.
  StoredModel loose(false);
  const model::TensorInfo& tensor = *loose.model->file().find("blk.0.ffn_up.weight");
  loose.disk.flip_on_the_way(StoredModel::kPath, tensor.offset + tensor.bytes / 2, 5);
  loose.use(16).value();
}

TEST(StoredModel, PassingErrorsOfTheLoadAreReadAgainAndLastingOnesFailIt) {
  for (const uint64_t skip : {0u, 3u, 20u}) {
    StoredModel stored;
    stored.disk.fail({.path_contains = "m.gguf", .skip = skip, .times = 2});
    stored.use(8).value();
    stored.disk.clear_faults();
    stored.disk.fail({.path_contains = "m.gguf", .skip = skip, .times = 1'000'000});
    EXPECT_EQ(stored.use(8).error().code, ErrorCode::kFailed);
  }
}

TEST(StoredModel, AFileThatChangesBetweenItsHeaderAndItsWeightsIsRefused) {
  for (const bool in_store : {false, true}) {
    StoredModel stored(in_store);
    const model::TensorInfo& tensor = *stored.model->file().find("blk.0.ffn_up.weight");
    stored.disk.overwrite(StoredModel::kPath, tensor.offset, "x");
    EXPECT_EQ(stored.use(16).error().code, ErrorCode::kDamaged);
  }
}

TEST(StoredModel, MirrorsGiveTheSameBitsAndServeWhereTheModelsOwnDriveFails) {
  StoredModel stored;
  stored.use(16).value();
  const std::vector<float> right = stored.logits;
  const std::string content = stored.disk.content(StoredModel::kPath);
  stored.disk.put("/b/m.gguf", content);
  stored.disk.put("/c/m.gguf", content);
  stored.mirrors = {"/b", "/c"};
  for (const uint64_t sixteenths : {16u, 8u, 0u}) {
    stored.use(sixteenths).value();
    EXPECT_EQ(stored.logits, right);
  }
  // Its own copy gives wrong bytes everywhere behind the header; so does one mirror at times.
  const model::TensorInfo& tensor = *stored.model->file().find("blk.0.ffn_up.weight");
  for (uint64_t at = tensor.offset; at < content.size(); at += 5000) {
    stored.disk.flip_on_the_way(StoredModel::kPath, at, 1);
    if (at % 3 == 0) stored.disk.flip_on_the_way("/b/m.gguf", at, 1);
  }
  for (const uint64_t sixteenths : {16u, 8u, 0u}) {
    stored.use(sixteenths).value();
    EXPECT_EQ(stored.logits, right);
  }
}

TEST(StoredModel, WhatIsNoMirrorIsRefusedByName) {
  StoredModel stored;
  const std::string content = stored.disk.content(StoredModel::kPath);
  stored.mirrors = {"/absent"};
  EXPECT_EQ(stored.use(8).error().code, ErrorCode::kNotFound);
  stored.disk.put("/short/m.gguf", content.substr(1));
  stored.mirrors = {"/short"};
  EXPECT_EQ(stored.use(8).error().code, ErrorCode::kRefused);
  std::string other = content;
  other[50] = static_cast<char>(other[50] ^ 1);
  stored.disk.put("/other/m.gguf", other);
  stored.mirrors = {"/other"};
  const Status status = stored.use(8);
  EXPECT_EQ(status.error().code, ErrorCode::kDamaged);
  EXPECT_NE(status.error().message.find("/other/m.gguf"), std::string::npos);
  // Without the store's checksums nobody could say which copy is right.
  StoredModel loose(false);
  loose.disk.put("/b/m.gguf", loose.disk.content(StoredModel::kPath));
  loose.mirrors = {"/b"};
  EXPECT_EQ(loose.use(8).error().code, ErrorCode::kRefused);
}

}  // namespace
}  // namespace freehold::runtime
