#include "model_factory/model_factory.h"

#include <gtest/gtest.h>

#include <cmath>

#include "io/simulated_file_system.h"
#include "model/gguf/gguf.h"
#include "model/tokenizer/tokenizer.h"
#include "model_factory/random_blocks.h"

namespace freehold::factory {
namespace {

using model::GgufModel;
using model::TensorInfo;

std::string bytes_of(const FactoryOptions& options) {
  io::SimulatedFileSystem files;
  auto report = write_model(files, "/m.gguf", options);
  EXPECT_TRUE(report.ok()) << (report.ok() ? "" : report.error().message);
  if (!report.ok()) return {};
  EXPECT_EQ(report->file_bytes, files.content("/m.gguf").size());
  EXPECT_EQ(files.all_files().size(), 1u);  // nothing temporary is left
  return files.content("/m.gguf");
}

std::vector<float> decode(const GgufModel& model, const TensorInfo& info) {
  std::vector<std::byte> bytes(info.bytes);
  EXPECT_TRUE(model.shards()[info.shard]->read_exactly(info.offset, bytes).ok());
  std::vector<float> values(info.width() * info.rows());
  const size_t row_bytes = info.format->row_bytes(info.width());
  if (info.format->rows_valid != nullptr) {
    EXPECT_TRUE(info.format->rows_valid(bytes.data(), row_bytes, info.rows())) << info.name;
  }
  for (uint64_t row = 0; row < info.rows(); ++row) {
    info.format->decode_row(bytes.data() + row * row_bytes, info.width(),
                            values.data() + row * info.width());
  }
  return values;
}

struct Moments {
  double mean = 0, deviation = 0;
  bool finite = true;
};

Moments moments(const std::vector<float>& values) {
  Moments m;
  double sum = 0, squares = 0;
  for (const float value : values) {
    m.finite = m.finite && std::isfinite(value);
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const auto count = static_cast<double>(values.size());
  m.mean = sum / count;
  m.deviation = std::sqrt(squares / count - m.mean * m.mean);
  return m;
}

TEST(ModelFactory, SameSeedSameBytes) {
  for (const std::string_view architecture : architectures()) {
    FactoryOptions options;
    options.architecture = architecture;
    options.tokenizer = TokenizerKind::kBytesBpe;
    const std::string once = bytes_of(options);
    EXPECT_TRUE(once == bytes_of(options));
    options.seed = 2;
    const std::string other = bytes_of(options);
    EXPECT_EQ(other.size(), once.size());
    EXPECT_FALSE(other == once);
  }
}

TEST(ModelFactory, SeedOneKeepsItsBytes) {
  // FNV-1a of the whole file: a change here changes every benchmark's model.
  FactoryOptions options;
  options.tokenizer = TokenizerKind::kSpm;
  uint64_t hash = 0xCBF29CE484222325u;
  for (const char c : bytes_of(options)) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001B3u;
  EXPECT_EQ(hash, 10180545758334895978u);
}

TEST(ModelFactory, EveryFormatHasTheWantedSpread) {
  for (const quant::Format& format : quant::all_formats()) {
    FactoryOptions options;
    options.type = format.name;
    options.width = 1024;
    options.ffn_width = 2048;
    options.layers = 1;
    io::SimulatedFileSystem files;
    ASSERT_TRUE(write_model(files, "/m.gguf", options).ok());
    auto model = GgufModel::open(files, "/m.gguf");
    ASSERT_TRUE(model.ok()) << model.error().message;
    for (const char* name : {"blk.0.ffn_up.weight", "blk.0.ffn_down.weight", "output.weight"}) {
      const TensorInfo* info = model->find(name);
      ASSERT_NE(info, nullptr);
      EXPECT_EQ(info->format->name, format.name);
      const Moments m = moments(decode(*model, *info));
      const double wanted = (std::string_view(name) == "output.weight" ? 3.0 : 1.0) /
                            std::sqrt(static_cast<double>(info->width()));
      EXPECT_TRUE(m.finite) << format.name;
      EXPECT_NEAR(m.deviation / wanted, 1.0, 0.012) << format.name << " " << name;
      EXPECT_NEAR(m.mean / wanted, 0.0, 0.02) << format.name << " " << name;
    }
  }
}

TEST(ModelFactory, NormsAreNearOne) {
  FactoryOptions options;
  options.architecture = "gemma3";
  io::SimulatedFileSystem files;
  ASSERT_TRUE(write_model(files, "/m.gguf", options).ok());
  auto model = GgufModel::open(files, "/m.gguf");
  ASSERT_TRUE(model.ok()) << model.error().message;
  for (const char* name : {"output_norm.weight", "blk.1.attn_q_norm.weight"}) {
    const TensorInfo* info = model->find(name);
    ASSERT_NE(info, nullptr) << name;
    for (const float value : decode(*model, *info)) EXPECT_NEAR(value, 1.0f, 0.25f);
  }
  EXPECT_NE(model->find("blk.0.post_ffw_norm.weight"), nullptr);
  EXPECT_EQ(model->metadata().find_unsigned("gemma3.attention.key_length"), 64u);
}

TEST(ModelFactory, MixesGiveSomeMatricesMore) {
  FactoryOptions options;
  options.layers = 16;
  options.type = "Q4_K_M";
  io::SimulatedFileSystem files;
  ASSERT_TRUE(write_model(files, "/m.gguf", options).ok());
  auto model = GgufModel::open(files, "/m.gguf");
  ASSERT_TRUE(model.ok()) << model.error().message;
  int more = 0;
  for (int layer = 0; layer < 16; ++layer) {
    const TensorInfo* down = model->find("blk." + std::to_string(layer) + ".ffn_down.weight");
    ASSERT_NE(down, nullptr);
    more += down->format->name == "Q6_K" ? 1 : 0;
    EXPECT_EQ(model->find("blk." + std::to_string(layer) + ".ffn_up.weight")->format->name, "Q4_K");
  }
  EXPECT_EQ(more, 8);
  EXPECT_EQ(model->find("output.weight")->format->name, "Q6_K");
  options.width = 288;  // not a multiple of 256
  options.heads = 3;
  options.kv_heads = 1;
  ASSERT_TRUE(write_model(files, "/n.gguf", options).ok());
  auto narrow = GgufModel::open(files, "/n.gguf");
  ASSERT_TRUE(narrow.ok()) << narrow.error().message;
  EXPECT_EQ(narrow->find("blk.0.ffn_up.weight")->format->name, "Q5_0");
  EXPECT_EQ(narrow->find("output.weight")->format->name, "Q8_0");
}

TEST(ModelFactory, OptionsReachTheFile) {
  FactoryOptions options;
  options.architecture = "qwen2";
  options.tied_output = true;
  options.rope_scaling = RopeScaling::kYarn;
  options.context = 4096;
  options.head_width = 32;
  io::SimulatedFileSystem files;
  ASSERT_TRUE(write_model(files, "/m.gguf", options).ok());
  auto model = GgufModel::open(files, "/m.gguf");
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->find("output.weight"), nullptr);
  ASSERT_NE(model->find("blk.1.attn_v.bias"), nullptr);
  EXPECT_EQ(model->find("blk.1.attn_v.bias")->width(), 64u);
  EXPECT_EQ(model->find("blk.1.attn_output.weight")->width(), 128u);
  const model::Metadata& m = model->metadata();
  EXPECT_EQ(m.find_string("qwen2.rope.scaling.type"), "yarn");
  EXPECT_EQ(m.find_float("qwen2.rope.scaling.factor"), 4.0);
  EXPECT_EQ(m.find_unsigned("qwen2.rope.scaling.original_context_length"), 1024u);
  EXPECT_EQ(m.find_unsigned("qwen2.attention.key_length"), 32u);
  EXPECT_EQ(m.find_string("tokenizer.ggml.model"), "none");
  options.architecture = "llama";
  options.rope_scaling = RopeScaling::kLlama3;
  ASSERT_TRUE(write_model(files, "/l.gguf", options).ok());
  auto llama = GgufModel::open(files, "/l.gguf");
  ASSERT_TRUE(llama.ok());
  ASSERT_NE(llama->find("rope_freqs.weight"), nullptr);
  const std::vector<float> factors = decode(*llama, *llama->find("rope_freqs.weight"));
  EXPECT_EQ(factors.front(), 1.0f);
  EXPECT_EQ(factors.back(), 4.0f);
  EXPECT_EQ(llama->find("blk.0.attn_q.bias"), nullptr);
}

TEST(ModelFactory, ShardsHoldTheSameModel) {
  FactoryOptions options;
  options.tokenizer = TokenizerKind::kBytesBpe;
  io::SimulatedFileSystem files;
  ASSERT_TRUE(write_model(files, "/whole.gguf", options).ok());
  options.shards = 3;
  auto report = write_model(files, "/m.gguf", options);
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->files.size(), 3u);
  EXPECT_EQ(report->files[0], "/m-00001-of-00003.gguf");
  auto whole = GgufModel::open(files, "/whole.gguf");
  auto split = GgufModel::open(files, report->files[0]);
  ASSERT_TRUE(whole.ok() && split.ok()) << split.error().message;
  ASSERT_EQ(whole->tensors().size(), split->tensors().size());
  EXPECT_EQ(whole->tensor_bytes(), split->tensor_bytes());
  for (const TensorInfo& info : whole->tensors()) {
    const TensorInfo* twin = split->find(info.name);
    ASSERT_NE(twin, nullptr);
    ASSERT_EQ(twin->bytes, info.bytes);
    EXPECT_EQ(decode(*whole, info), decode(*split, *twin)) << info.name;
  }
  EXPECT_EQ(split->find("output.weight")->shard, 2u);
}

TEST(ModelFactory, VocabulariesAreWhole) {
  for (const TokenizerKind kind : {TokenizerKind::kBytesBpe, TokenizerKind::kSpm}) {
    for (const uint32_t size : {400u, 3000u}) {
      FactoryOptions options;
      options.tokenizer = kind;
      options.vocabulary = size;
      io::SimulatedFileSystem files;
      ASSERT_TRUE(write_model(files, "/m.gguf", options).ok());
      auto model = GgufModel::open(files, "/m.gguf");
      ASSERT_TRUE(model.ok()) << model.error().message;
      auto tokens = *model->metadata().find_strings("tokenizer.ggml.tokens");
      EXPECT_EQ(tokens.size(), size);
      EXPECT_EQ(model->metadata().array_size("tokenizer.ggml.token_type"), size);
      if (kind == TokenizerKind::kBytesBpe) {
        EXPECT_EQ(model->metadata().array_size("tokenizer.ggml.merges"), size - 256 - 3);
      } else {
        EXPECT_EQ(model->metadata().array_size("tokenizer.ggml.scores"), size);
        EXPECT_EQ(tokens[6], "<0x00>");
        EXPECT_EQ(tokens[6 + 255], "<0xFF>");
      }
      std::sort(tokens.begin(), tokens.end());
      EXPECT_EQ(std::adjacent_find(tokens.begin(), tokens.end()), tokens.end());
    }
  }
}

TEST(ModelFactory, VocabulariesTokenize) {
  const std::string text = "The quick light of 2 stones\n\xE2\x82\xAC\x01 and   the sky";
  for (const TokenizerKind kind : {TokenizerKind::kBytesBpe, TokenizerKind::kSpm}) {
    FactoryOptions options;
    options.tokenizer = kind;
    options.vocabulary = 2000;
    io::SimulatedFileSystem files;
    ASSERT_TRUE(write_model(files, "/m.gguf", options).ok());
    auto model = GgufModel::open(files, "/m.gguf");
    ASSERT_TRUE(model.ok()) << model.error().message;
    auto tokenizer = model::Tokenizer::create(model->metadata());
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message;
    const auto tokens = (*tokenizer)->encode(text, model::SpecialTokens::kPlainText);
    EXPECT_LT(tokens.size(), text.size() * 2 / 3);  // words are found
    model::Detokenizer detokenizer(**tokenizer);
    std::string back;
    for (const model::TokenId token : tokens) back += detokenizer.push(token);
    back += detokenizer.finish();
    if (back.starts_with(' ')) back.erase(0, 1);  // SPM's space prefix
    EXPECT_EQ(back, text);
    const auto marked = (*tokenizer)->encode("<|im_end|>", model::SpecialTokens::kParse);
    ASSERT_EQ(marked.size(), 1u);
    EXPECT_TRUE((*tokenizer)->ends_generation(marked[0]));
  }
}

TEST(ModelFactory, SizesComeNear) {
  for (const uint64_t wanted : {uint64_t{20} << 20, uint64_t{100} << 20, uint64_t{1} << 30,
                                uint64_t{4} << 30, uint64_t{40} << 30}) {
    for (const char* type : {"Q4_K_M", "Q8_0", "F16"}) {
      FactoryOptions options;
      options.type = type;
      auto shaped = shape_for_size(options, wanted);
      ASSERT_TRUE(shaped.ok()) << shaped.error().message;
      auto report = plan_model(*shaped);
      ASSERT_TRUE(report.ok());
      const double ratio = static_cast<double>(report->tensor_bytes) / static_cast<double>(wanted);
      EXPECT_NEAR(ratio, 1.0, 0.15) << type << " " << wanted;
    }
  }
  EXPECT_FALSE(shape_for_size({}, 1000).ok());
}

TEST(ModelFactory, WrongOptionsAreNamed) {
  const auto fails = [](FactoryOptions options, const std::string& part) {
    io::SimulatedFileSystem files;
    auto report = write_model(files, "/m.gguf", options);
    ASSERT_FALSE(report.ok()) << part;
    EXPECT_EQ(report.error().code, ErrorCode::kUsage);
    EXPECT_NE(report.error().message.find(part), std::string::npos) << report.error().message;
    EXPECT_TRUE(files.all_files().empty());
  };
  FactoryOptions o;
  fails(
      [&] {
        auto c = o;
        c.architecture = "gpt9";
        return c;
      }(),
      "gpt9");
  fails(
      [&] {
        auto c = o;
        c.type = "Q9";
        return c;
      }(),
      "Q9");
  fails(
      [&] {
        auto c = o;
        c.layers = 0;
        return c;
      }(),
      "--layers");
  fails(
      [&] {
        auto c = o;
        c.heads = 0;
        return c;
      }(),
      "--heads");
  fails(
      [&] {
        auto c = o;
        c.kv_heads = 3;
        return c;
      }(),
      "--kv-heads");
  fails(
      [&] {
        auto c = o;
        c.head_width = 7;
        return c;
      }(),
      "--head-dim");
  fails(
      [&] {
        auto c = o;
        c.rope_factor = NAN;
        return c;
      }(),
      "--rope-factor");
  fails(
      [&] {
        auto c = o;
        c.tokenizer = TokenizerKind::kSpm;
        c.vocabulary = 100;
        return c;
      }(),
      "--vocab");
}

TEST(ModelFactory, FailedWritesLeaveNothing) {
  io::SimulatedFileSystem files;
  files.set_capacity(100'000);
  auto report = write_model(files, "/m.gguf", {});
  ASSERT_FALSE(report.ok());
  EXPECT_TRUE(files.all_files().empty());
}

TEST(RandomBytes, AreUniform) {
  std::vector<std::byte> bytes(1 << 20);
  fill_random(bytes, 5, 1, 0);
  std::vector<int> counts(256);
  for (const std::byte b : bytes) ++counts[static_cast<size_t>(b)];
  double chi_squared = 0;
  for (const int count : counts) chi_squared += (count - 4096.0) * (count - 4096.0) / 4096.0;
  EXPECT_GT(chi_squared, 170.0);  // 255 degrees of freedom: both bounds are beyond 1 in 10,000
  EXPECT_LT(chi_squared, 350.0);
}

TEST(RandomBytes, DoNotDependOnTheCut) {
  std::vector<std::byte> whole(8 * 100), parts(8 * 100);
  fill_random(whole, 7, 3, 8 * 5);
  for (size_t at = 0; at < 100;) {
    const size_t count = std::min<size_t>(100 - at, 1 + at % 13);
    fill_random(std::span(parts).subspan(8 * at, 8 * count), 7, 3, 8 * (5 + at));
    at += count;
  }
  EXPECT_EQ(whole, parts);
  fill_random(parts, 7, 4, 8 * 5);
  EXPECT_NE(whole, parts);
}

}  // namespace
}  // namespace freehold::factory
