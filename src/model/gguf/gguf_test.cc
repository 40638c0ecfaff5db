#include "model/gguf/gguf.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "io/simulated_file_system.h"
#include "model/gguf/gguf_bytes.h"
#include "model/gguf/metadata_data.h"

namespace freehold::model {
namespace {

Result<GgufModel> open_bytes(const std::string& bytes) {
  io::SimulatedFileSystem files;
  files.put("/m.gguf", bytes);
  return GgufModel::open(files, "/m.gguf");
}

GgufModel must_open(const std::string& bytes) {
  auto model = open_bytes(bytes);
  EXPECT_TRUE(model.ok()) << (model.ok() ? "" : model.error().message);
  return model.ok() ? std::move(model).value() : GgufModel();
}

TEST(Gguf, ReadsEveryScalarTypeAtItsEdges) {
  GgufBytes file;
  file.u8("a", 255).i8("b", -128).u16("c", 65535).i16("d", -32768).u32("e", 4294967295u);
  file.i32("f", INT32_MIN).f32("g", 1.5f).boolean("h", 1).text("i", "héllo\0x");
  file.u64("j", UINT64_MAX).i64("k", INT64_MIN).f64("l", -2.25).boolean("m", 0);
  file.u64("n", INT64_MAX).text("o", "");
  const GgufModel model = must_open(file.build());
  const Metadata& m = model.metadata();
  EXPECT_EQ(m.find_unsigned("a"), 255u);
  EXPECT_EQ(m.find_signed("b"), -128);
  EXPECT_EQ(m.find_unsigned("b"), std::nullopt);
  EXPECT_EQ(m.find_signed("c"), 65535);
  EXPECT_EQ(m.find_signed("d"), -32768);
  EXPECT_EQ(m.find_unsigned("e"), 4294967295u);
  EXPECT_EQ(m.find_signed("f"), INT32_MIN);
  EXPECT_EQ(m.find_float("g"), 1.5);
  EXPECT_EQ(m.find_float("a"), std::nullopt);
  EXPECT_EQ(m.find_unsigned("g"), std::nullopt);
  EXPECT_EQ(m.find_bool("h"), true);
  EXPECT_EQ(m.find_bool("m"), false);
  EXPECT_EQ(m.find_bool("a"), std::nullopt);
  EXPECT_EQ(m.find_unsigned("h"), std::nullopt);
  EXPECT_EQ(m.find_string("i"), "héllo");
  EXPECT_EQ(m.find_unsigned("j"), UINT64_MAX);
  EXPECT_EQ(m.find_signed("j"), std::nullopt);
  EXPECT_EQ(m.find_signed("k"), INT64_MIN);
  EXPECT_EQ(m.find_unsigned("k"), std::nullopt);
  EXPECT_EQ(m.find_float("l"), -2.25);
  EXPECT_EQ(m.find_signed("n"), INT64_MAX);
  EXPECT_EQ(m.find_string("o"), "");
  EXPECT_EQ(m.find_string("missing"), std::nullopt);
  EXPECT_FALSE(m.contains("missing"));
  EXPECT_EQ(m.type_of("missing"), std::nullopt);
  EXPECT_EQ(m.type_of("d"), ValueType::kI16);
  EXPECT_EQ(m.keys().size(), 15u);
  EXPECT_EQ(m.keys()[0], "a");
  EXPECT_EQ(m.keys()[14], "o");
  EXPECT_EQ(m.describe("j"), "18446744073709551615");
  EXPECT_EQ(m.describe("g"), "1.5");
  EXPECT_EQ(m.describe("h"), "true");
  EXPECT_EQ(m.describe("i"), "'h\\xc3\\xa9llo'");
  EXPECT_EQ(m.describe("missing"), "(none)");
}

TEST(Gguf, ReadsArrays) {
  GgufBytes file;
  file.texts("words", {"one", "", "three"}).texts("none", {});
  file.array<float>("floats", 6, {0.5f, -1.0f}).array<uint64_t>("large", 10, {1, UINT64_MAX});
  file.array<int8_t>("small", 1, {-1, 2, 3}).array<uint8_t>("flags", 7, {1, 0});
  file.text("after", "still aligned");
  const GgufModel model = must_open(file.build());
  const Metadata& m = model.metadata();
  using Views = std::vector<std::string_view>;
  EXPECT_EQ(m.find_strings("words"), (Views{"one", "", "three"}));
  EXPECT_EQ(m.find_strings("none"), Views{});
  EXPECT_EQ(m.find_strings("floats"), std::nullopt);
  EXPECT_EQ(m.find_floats("floats"), (std::vector<double>{0.5, -1.0}));
  EXPECT_EQ(m.find_floats("large"), (std::vector<double>{1.0, 0x1p64}));
  EXPECT_EQ(m.find_floats("words"), std::nullopt);
  EXPECT_EQ(m.find_floats("flags"), std::nullopt);
  EXPECT_EQ(m.find_integers("large"), std::nullopt);
  EXPECT_EQ(m.find_integers("small"), (std::vector<int64_t>{-1, 2, 3}));
  EXPECT_EQ(m.find_integers("flags"), (std::vector<int64_t>{1, 0}));
  EXPECT_EQ(m.find_integers("floats"), std::nullopt);
  EXPECT_EQ(m.array_size("words"), 3u);
  EXPECT_EQ(m.array_type("words"), ValueType::kString);
  EXPECT_EQ(m.array_size("after"), std::nullopt);
  EXPECT_EQ(m.find_unsigned("small"), std::nullopt);
  EXPECT_EQ(m.find_string("words"), std::nullopt);
  EXPECT_EQ(m.describe("words"), "[3 x string]");
  EXPECT_EQ(m.find_string("after"), "still aligned");
}

TEST(Gguf, ViewsSurviveAMoveOfTheModel) {
  GgufModel model = must_open(real_shaped().build());
  const auto tokens = model.metadata().find_strings("tokenizer.ggml.tokens");
  ASSERT_TRUE(tokens.has_value());
  const GgufModel moved = std::move(model);
  EXPECT_EQ((*tokens)[299], "token299");
  EXPECT_EQ(moved.metadata().find_strings("tokenizer.ggml.tokens"), tokens);
}

TEST(Gguf, PlacesTensors) {
  const GgufBytes file = real_shaped();
  const GgufModel model = must_open(file.build());
  EXPECT_EQ(model.version(), 3u);
  ASSERT_EQ(model.tensors().size(), 10u);
  const TensorInfo* q = model.find("blk.1.attn_q.weight");
  ASSERT_NE(q, nullptr);
  EXPECT_EQ(q->format->name, "Q4_K");
  EXPECT_EQ(q->dimensions, 2u);
  EXPECT_EQ(q->width(), 256u);
  EXPECT_EQ(q->rows(), 256u);
  EXPECT_EQ(q->bytes, 256u * 144u);
  EXPECT_EQ(model.find("blk.2.attn_q.weight"), nullptr);
  EXPECT_EQ(model.find(""), nullptr);
  EXPECT_EQ(model.tensors()[0].offset, file.data_start());
  uint64_t sum = 0;
  std::vector<std::byte> bytes;
  for (size_t i = 0; i < model.tensors().size(); ++i) {
    const TensorInfo& info = model.tensors()[i];
    bytes.resize(info.bytes);
    ASSERT_TRUE(model.shards()[0]->read_exactly(info.offset, bytes).ok());
    // Every byte of a tensor was written as its own letter.
    const auto letter = static_cast<std::byte>('a' + (i + 1) % 26);
    for (const std::byte b : bytes) ASSERT_EQ(b, letter) << info.name;
    sum += info.bytes;
  }
  EXPECT_EQ(model.tensor_bytes(), sum);
}

TEST(Gguf, ReadsVersion2AndOtherAlignments) {
  for (const uint32_t version : {2u, 3u}) {
    for (const uint32_t alignment : {8u, 32u, 64u, 4096u, 65536u}) {
      GgufBytes file;
      file.version = version;
      file.alignment = alignment;
      file.u32("general.alignment", alignment);
      file.tensor("one", {3}, 0, 12).tensor("two", {32, 2, 2, 2}, 8, 8 * 34);
      const GgufModel model = must_open(file.build());
      ASSERT_EQ(model.tensors().size(), 2u);
      EXPECT_EQ(model.version(), version);
      EXPECT_EQ(model.tensors()[1].offset, file.data_start() + base::align_up(12u, alignment));
      EXPECT_EQ(model.tensors()[1].rows(), 8u);
    }
  }
}

TEST(Gguf, LastPaddingMayBeMissing) {
  GgufBytes file;
  file.tensor("one", {3}, 0, 12);
  std::string bytes = file.build();
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(open_bytes(bytes).ok()) << i;
    bytes.pop_back();
  }
  bytes.pop_back();  // Now a byte of the tensor is gone.
  EXPECT_FALSE(open_bytes(bytes).ok());
}

TEST(Gguf, VocabularyAloneIsAFile) {
  GgufBytes file;
  file.text("general.architecture", "llama").texts("tokenizer.ggml.tokens", {"a", "b"});
  const GgufModel model = must_open(file.build());
  EXPECT_TRUE(model.tensors().empty());
  EXPECT_EQ(model.tensor_bytes(), 0u);
}

TEST(Gguf, ReadsThroughShortReads) {
  io::SimulatedFileSystem files;
  files.put("/m.gguf", real_shaped().build());
  files.set_bytes_per_call(7);
  auto model = GgufModel::open(files, "/m.gguf");
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ((*model->metadata().find_strings("tokenizer.ggml.tokens"))[299], "token299");
}

TEST(Gguf, ReadErrorsComeThrough) {
  io::SimulatedFileSystem files;
  files.put("/m.gguf", real_shaped().build());
  files.fail({.operation = io::DiskOperation::kRead});
  auto model = GgufModel::open(files, "/m.gguf");
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, ErrorCode::kFailed);
  auto missing = GgufModel::open(files, "/none.gguf");
  ASSERT_FALSE(missing.ok());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
}

TEST(MetadataData, MadeByHandReadsAsParsed) {
  auto data = std::make_unique<Metadata::Data>();
  const std::vector<std::string> words = {"x", "", "yz"};
  const std::vector<float> floats = {1.0f, 2.0f};
  const std::vector<int32_t> integers = {-5};
  data->add_unsigned("n", 7);
  data->add_strings("words", words);
  data->add_string("s", "text");
  data->add_floats("f", floats);
  data->add_integers("i", integers);
  data->add_bool("b", true);
  ASSERT_EQ(data->finish(), nullptr);
  const Metadata m(std::move(data));
  EXPECT_EQ(m.find_unsigned("n"), 7u);
  EXPECT_EQ(m.find_strings("words"), (std::vector<std::string_view>{"x", "", "yz"}));
  EXPECT_EQ(m.find_string("s"), "text");
  EXPECT_EQ(m.find_floats("f"), (std::vector<double>{1.0, 2.0}));
  EXPECT_EQ(m.find_integers("i"), (std::vector<int64_t>{-5}));
  EXPECT_EQ(m.find_bool("b"), true);
}

// --- shards -------------------------------------------------------------------------------------

GgufBytes shard(uint16_t number, uint16_t count, int32_t tensors) {
  GgufBytes file;
  if (number == 0) file.text("general.architecture", "llama");
  return file.u16("split.no", number).u16("split.count", count).i32("split.tensors.count", tensors);
}

struct Shards {
  io::SimulatedFileSystem files;
  Shards() {
    files.put("/m-00001-of-00003.gguf", shard(0, 3, 3).tensor("a", {4}, 0, 16).build());
    files.put("/m-00002-of-00003.gguf", shard(1, 3, 3).tensor("b", {32}, 8, 34).build());
    files.put("/m-00003-of-00003.gguf", shard(2, 3, 3).tensor("c", {2, 2}, 1, 8).build());
  }
  Error fails(const std::string& path = "/m-00001-of-00003.gguf") {
    auto model = GgufModel::open(files, path);
    EXPECT_FALSE(model.ok());
    return model.ok() ? Error{} : std::move(model).error();
  }
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(GgufShards, AreJoined) {
  Shards s;
  auto model = GgufModel::open(s.files, "/m-00001-of-00003.gguf");
  ASSERT_TRUE(model.ok()) << model.error().message;
  ASSERT_EQ(model->tensors().size(), 3u);
  ASSERT_EQ(model->shards().size(), 3u);
  EXPECT_EQ(model->find("b")->shard, 1u);
  EXPECT_EQ(model->find("c")->shard, 2u);
  std::byte first{};
  ASSERT_TRUE(model->shards()[2]->read_exactly(model->find("c")->offset, {&first, 1}).ok());
  EXPECT_EQ(first, std::byte{'b'});
  EXPECT_EQ(model->tensor_bytes(), 16u + 34u + 8u);
}

TEST(GgufShards, FirstMayHoldNoTensors) {
  Shards s;
  s.files.put("/m-00001-of-00003.gguf", shard(0, 3, 2).build());
  s.files.put("/m-00002-of-00003.gguf", shard(1, 3, 2).tensor("b", {32}, 8, 34).build());
  s.files.put("/m-00003-of-00003.gguf", shard(2, 3, 2).tensor("c", {2, 2}, 1, 8).build());
  auto model = GgufModel::open(s.files, "/m-00001-of-00003.gguf");
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ(model->find("b")->shard, 1u);
}

TEST(GgufShards, MissingOneIsNamed) {
  Shards s;
  ASSERT_TRUE(s.files.remove("/m-00002-of-00003.gguf").ok());
  const Error error = s.fails();
  EXPECT_EQ(error.code, ErrorCode::kNotFound);
  EXPECT_TRUE(has(error.message, "shard 2 of 3")) << error.message;
  EXPECT_TRUE(has(error.message, "/m-00002-of-00003.gguf")) << error.message;
}

TEST(GgufShards, LaterOneIsNotTheDoor) {
  Shards s;
  const Error error = s.fails("/m-00002-of-00003.gguf");
  EXPECT_EQ(error.code, ErrorCode::kRefused);
  EXPECT_TRUE(has(error.hint, "/m-00001-of-00003.gguf")) << error.hint;
}

TEST(GgufShards, ContradictionsAreRefused) {
  Shards renamed;
  renamed.files.put("/plain.gguf", renamed.files.content("/m-00001-of-00003.gguf"));
  EXPECT_TRUE(has(renamed.fails("/plain.gguf").message, "its name does not"));

  Shards swapped;
  swapped.files.put("/m-00002-of-00003.gguf", swapped.files.content("/m-00003-of-00003.gguf"));
  EXPECT_TRUE(has(swapped.fails().message, "expected shard 2 of 3"));

  Shards alien;
  alien.files.put("/m-00002-of-00003.gguf", shard(1, 3, 9).tensor("b", {32}, 8, 34).build());
  EXPECT_TRUE(has(alien.fails().message, "with 9 tensors in all"));

  Shards unsplit;
  unsplit.files.put("/m-00002-of-00003.gguf", GgufBytes().tensor("b", {32}, 8, 34).build());
  EXPECT_TRUE(has(unsplit.fails().message, "shard 1 of 1"));

  Shards too_few;
  too_few.files.put("/m-00003-of-00003.gguf", shard(2, 3, 3).build());
  EXPECT_TRUE(has(too_few.fails().message, "hold 2 tensors, split.tensors.count says 3"));

  Shards twice;
  twice.files.put("/m-00003-of-00003.gguf", shard(2, 3, 3).tensor("a", {4}, 0, 16).build());
  EXPECT_TRUE(has(twice.fails().message, "tensor 'a' is there twice"));

  Shards many;
  many.files.put("/m-00001-of-05000.gguf", shard(0, 5000, 1).tensor("a", {4}, 0, 16).build());
  const Error error = many.fails("/m-00001-of-05000.gguf");
  EXPECT_EQ(error.code, ErrorCode::kRefused);
  EXPECT_TRUE(has(error.message, "the limit is 4096"));

  Shards text;
  text.files.put("/m-00001-of-00003.gguf", GgufBytes().text("split.count", "3").build());
  EXPECT_TRUE(has(text.fails().message, "not three integers"));
}

TEST(GgufShards, DamageInALaterOneNamesIt) {
  Shards s;
  std::string bytes = s.files.content("/m-00003-of-00003.gguf");
  bytes.resize(40);
  s.files.put("/m-00003-of-00003.gguf", bytes);
  const Error error = s.fails();
  EXPECT_EQ(error.code, ErrorCode::kDamaged);
  EXPECT_TRUE(has(error.message, "m-00003-of-00003.gguf")) << error.message;
}

}  // namespace
}  // namespace freehold::model
