// Which format each tensor gets, and that a rewritten file holds what the encoders make of the
// rows.

#include "model/convert/quantise.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "io/simulated_file_system.h"
#include "model_factory/model_factory.h"
#include "quant/encode.h"

namespace freehold::model {
namespace {

using quant::FormatId;

class QuantiseTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.type = "F16";
    options_.layers = 8;
    pool_ = std::move(device::WorkerPool::create({.threads = 2})).value();
  }
  GgufModel made() {
    EXPECT_TRUE(factory::write_model(files_, "/in.gguf", options_).ok());
    return open("/in.gguf");
  }
  GgufModel open(const std::string& path) {
    auto model = GgufModel::open(files_, path);
    EXPECT_TRUE(model.ok()) << (model.ok() ? "" : model.error().message);
    return std::move(model).value();
  }
  Result<QuantiseReport> quantised(const GgufModel& model, std::string_view type,
                                   QuantiseOptions options = {}) {
    const auto file = std::move(files_.create("/out.gguf", io::WriteMode::kTruncate)).value();
    auto report = quantise(model, *find_file_type(type), *file, *pool_, options);
    EXPECT_TRUE(file->close().ok());
    return report;
  }
  std::vector<std::byte> bytes_of(const GgufModel& model, const TensorInfo& tensor) {
    std::vector<std::byte> bytes(tensor.bytes);
    EXPECT_TRUE(model.shards()[tensor.shard]->read_exactly(tensor.offset, bytes).ok());
    return bytes;
  }
  std::string format_of(const GgufModel& model, std::string_view name, std::string_view type) {
    const auto formats = choose_formats(model, *find_file_type(type));
    return std::string(
        formats[static_cast<size_t>(model.find(name) - model.tensors().data())]->name);
  }

  io::SimulatedFileSystem files_;
  factory::FactoryOptions options_;
  std::unique_ptr<device::WorkerPool> pool_;
};

TEST_F(QuantiseTest, RowsAreWhatTheEncodersMakeOfThem) {
  options_.layers = 1;
  const GgufModel source = made();
  for (const FileType& type : file_types()) {
    ASSERT_TRUE(quantised(source, type.name).ok()) << type.name;
    const GgufModel result = open("/out.gguf");
    EXPECT_EQ(result.metadata().find_unsigned("general.file_type"), type.number);
    ASSERT_EQ(result.tensors().size(), source.tensors().size());
    for (size_t i = 0; i < result.tensors().size(); ++i) {
      const TensorInfo& tensor = result.tensors()[i];
      const TensorInfo& before = source.tensors()[i];
      const std::vector<std::byte> rows = bytes_of(source, before);
      std::vector<float> values(before.width() * before.rows());
      before.format->decode_row(rows.data(), values.size(), values.data());
      std::vector<std::byte> expected(tensor.bytes);
      quant::encoder(tensor.format->id)(values.data(), values.size(), expected.data());
      EXPECT_TRUE(bytes_of(result, tensor) == expected) << type.name << " " << tensor.name;
    }
  }
}

TEST_F(QuantiseTest, KeysAreKept) {
  options_.tokenizer = factory::TokenizerKind::kBytesBpe;
  const GgufModel source = made();
  ASSERT_TRUE(quantised(source, "Q8_0").ok());
  const GgufModel result = open("/out.gguf");
  for (const std::string_view key : source.metadata().keys()) {
    if (key == "general.file_type" || key == "general.quantization_version") continue;
    EXPECT_EQ(result.metadata().type_of(key), source.metadata().type_of(key)) << key;
    EXPECT_EQ(result.metadata().describe(key), source.metadata().describe(key)) << key;
    EXPECT_EQ(result.metadata().find_strings(key), source.metadata().find_strings(key)) << key;
  }
}

TEST_F(QuantiseTest, ThreadsDoNotChangeTheFile) {
  options_.layers = 1;
  ASSERT_TRUE(quantised(made(), "Q4_K_M").ok());
  const std::string two = files_.content("/out.gguf");
  pool_ = std::move(device::WorkerPool::create({.threads = 1})).value();
  ASSERT_TRUE(quantised(open("/in.gguf"), "Q4_K_M").ok());
  EXPECT_TRUE(files_.content("/out.gguf") == two);
}

TEST_F(QuantiseTest, MixesGiveSomeMatricesMoreBits) {
  const GgufModel model = made();
  EXPECT_EQ(format_of(model, "blk.0.attn_v.weight", "Q4_K_M"), "Q6_K");
  EXPECT_EQ(format_of(model, "blk.1.attn_v.weight", "Q4_K_M"), "Q4_K");
  EXPECT_EQ(format_of(model, "blk.3.ffn_down.weight", "Q4_K_M"), "Q6_K");
  EXPECT_EQ(format_of(model, "blk.7.ffn_down.weight", "Q5_K_M"), "Q6_K");
  EXPECT_EQ(format_of(model, "blk.3.attn_v.weight", "Q4_K_S"), "Q5_K");
  EXPECT_EQ(format_of(model, "blk.4.attn_v.weight", "Q4_K_S"), "Q4_K");
  EXPECT_EQ(format_of(model, "blk.0.ffn_down.weight", "Q4_K_S"), "Q5_K");
  EXPECT_EQ(format_of(model, "blk.1.attn_v.weight", "Q3_K_M"), "Q5_K");
  EXPECT_EQ(format_of(model, "blk.2.attn_output.weight", "Q3_K_L"), "Q5_K");
  EXPECT_EQ(format_of(model, "blk.2.attn_v.weight", "Q2_K"), "Q3_K");
  EXPECT_EQ(format_of(model, "output.weight", "Q4_0"), "Q6_K");
  EXPECT_EQ(format_of(model, "output.weight", "Q8_0"), "Q8_0");
  EXPECT_EQ(format_of(model, "token_embd.weight", "Q4_K_M"), "Q4_K");
  EXPECT_EQ(format_of(model, "blk.0.attn_norm.weight", "Q4_K_M"), "F32");
  EXPECT_EQ(find_file_type("q4_k"), find_file_type("Q4_K_M"));
  EXPECT_EQ(find_file_type("Q9"), nullptr);
}

TEST_F(QuantiseTest, AnEmbeddingThatIsTheOutputHasItsFormat) {
  options_.tied_output = true;
  EXPECT_EQ(format_of(made(), "token_embd.weight", "Q4_K_M"), "Q6_K");
}

TEST_F(QuantiseTest, RowsThatAreNotWholeBlocksFallBack) {
  options_.width = 96;
  options_.head_width = 32;
  options_.heads = 3;
  options_.kv_heads = 3;
  const GgufModel model = made();
  EXPECT_EQ(format_of(model, "blk.1.attn_q.weight", "Q4_K_M"), "Q5_0");
  EXPECT_EQ(format_of(model, "blk.1.attn_q.weight", "Q3_K_S"), "Q4_0");
  EXPECT_EQ(format_of(model, "output.weight", "Q4_K_M"), "Q8_0");
  EXPECT_TRUE(quantised(model, "Q6_K").ok());
}

TEST_F(QuantiseTest, AQuantisedSourceIsRefusedUnlessItIsAskedFor) {
  options_.type = "Q4_K";
  const GgufModel source = made();
  const auto refused = quantised(source, "Q8_0");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kRefused);
  EXPECT_TRUE(quantised(source, "Q8_0", {.requantise = true}).ok());
}

TEST_F(QuantiseTest, AValueThatIsNoNumberIsNamedByItsTensor) {
  options_.layers = 2;
  const GgufModel source = made();
  const TensorInfo& tensor = *source.find("blk.1.ffn_up.weight");
  const std::string infinity("\x00\x7C", 2);
  files_.overwrite("/in.gguf", tensor.offset + 100, infinity);
  const auto damaged = quantised(open("/in.gguf"), "Q4_K_M");
  ASSERT_FALSE(damaged.ok());
  EXPECT_EQ(damaged.error().code, ErrorCode::kDamaged);
  EXPECT_NE(damaged.error().message.find("blk.1.ffn_up.weight"), std::string::npos);
}

// Files that llama.cpp's quantiser made show which formats it chose.
TEST(QuantiseRealTest, ChoosesWhatTheFilesOfOthersHave) {
  const char* const folder = std::getenv("FREEHOLD_TEST_MODELS");
  if (folder == nullptr) GTEST_SKIP() << "FREEHOLD_TEST_MODELS names no folder of real models";
  const auto files = io::make_system_files();
  size_t compared = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".gguf") continue;
    const auto model = GgufModel::open(*files, entry.path().string());
    ASSERT_TRUE(model.ok()) << entry.path();
    const auto number = model->metadata().find_unsigned("general.file_type");
    const auto type = std::find_if(file_types().begin(), file_types().end(),
                                   [&](const FileType& row) { return row.number == number; });
    if (type == file_types().end()) continue;
    const auto formats = choose_formats(*model, *type);
    for (size_t i = 0; i < formats.size(); ++i) {
      EXPECT_EQ(formats[i]->name, model->tensors()[i].format->name)
          << entry.path() << " " << model->tensors()[i].name << " of " << type->name;
    }
    ++compared;
  }
  if (compared == 0) GTEST_SKIP() << "no model there has a file type that is written here";
}

}  // namespace
}  // namespace freehold::model
