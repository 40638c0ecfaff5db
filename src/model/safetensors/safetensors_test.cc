#include "model/safetensors/safetensors.h"

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "io/simulated_file_system.h"

namespace freehold::model {
namespace {

std::string file_of(std::string_view header, size_t data_bytes) {
  std::string out(8, '\0');
  base::store_le(reinterpret_cast<std::byte*>(out.data()), static_cast<uint64_t>(header.size()));
  out += header;
  return out.append(data_bytes, '\0');
}

Result<SafetensorsModel> open_bytes(std::string_view bytes, const SafetensorsLimits& limits = {}) {
  io::SimulatedFileSystem files;
  files.put("/m.safetensors", bytes);
  return SafetensorsModel::open(files, "/m.safetensors", limits);
}

/// Refused with this code, and with `words` in the message.
void expect_refused(const Result<SafetensorsModel>& result, ErrorCode code,
                    std::string_view words) {
  ASSERT_FALSE(result.ok()) << words;
  EXPECT_EQ(result.error().code, code) << result.error().message;
  EXPECT_NE(result.error().message.find(words), std::string::npos) << result.error().message;
}

constexpr std::string_view kTwo = R"({"__metadata__":{"format":"pt"},)"
                                  R"("b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]},)"
                                  R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}  )";

TEST(Safetensors, ReadsTypesShapesAndPlaces) {
  const auto model = open_bytes(file_of(kTwo, 16));
  ASSERT_TRUE(model.ok()) << model.error().message;
  ASSERT_EQ(model->tensors().size(), 2u);
  EXPECT_EQ(model->tensors()[0].name, "a");
  EXPECT_TRUE(model->tensors()[0].shape.empty());
  const SafetensorsTensor* b = model->find("b");
  ASSERT_NE(b, nullptr);
  EXPECT_EQ(safetensors_type_name(b->type), "BF16");
  EXPECT_EQ(b->shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(b->offset, 8 + kTwo.size() + 4);
  EXPECT_EQ(b->bytes, 12u);
  EXPECT_EQ(model->find("c"), nullptr);
}

TEST(Safetensors, EveryElementTypeHasItsSize) {
#define FREEHOLD_SAFETENSORS_TYPE(name, bytes)                                              \
  EXPECT_TRUE(                                                                              \
      open_bytes(file_of(R"({"t":{"dtype":")" #name R"(","shape":[3],"data_offsets":[0,)" + \
                             std::to_string(3 * bytes) + "]}}",                             \
                         3 * bytes))                                                        \
          .ok())                                                                            \
      << #name;
#include "model/safetensors/types.def"
#undef FREEHOLD_SAFETENSORS_TYPE
}

TEST(Safetensors, CutAtAnyByteItIsDamaged) {
  const std::string whole = file_of(kTwo, 16);
  for (size_t bytes = 0; bytes < whole.size(); ++bytes) {
    const auto model = open_bytes(std::string_view(whole).substr(0, bytes));
    ASSERT_FALSE(model.ok()) << bytes;
    EXPECT_EQ(model.error().code, ErrorCode::kDamaged);
  }
}

TEST(Safetensors, HeaderLengthIsCheckedBeforeMemoryIsReserved) {
  std::string bytes = file_of(kTwo, 16);
  bytes.replace(0, 8, "\xff\xff\xff\xff\xff\xff\xff\xff");
  expect_refused(open_bytes(bytes), ErrorCode::kDamaged, "beyond the file");
  SafetensorsLimits limits;
  limits.header_bytes = kTwo.size();
  EXPECT_TRUE(open_bytes(file_of(kTwo, 16), limits).ok());
  --limits.header_bytes;
  expect_refused(open_bytes(file_of(kTwo, 16), limits), ErrorCode::kRefused, "its header has");
}

TEST(Safetensors, EachBrokenRuleIsNamed) {
  struct Case {
    std::string_view header;
    size_t data_bytes;
    ErrorCode code;
    std::string_view words;
  };
  constexpr ErrorCode kBad = ErrorCode::kDamaged;
  const Case cases[] = {
      {" {}", 0, kBad, "begin with {"},
      {"{", 0, kBad, "not valid JSON"},
      {R"({"t":1})", 0, kBad, "not described by an object"},
      {R"({"t":{"shape":[1],"data_offsets":[0,4]}})", 4, kBad, "no dtype"},
      {R"({"t":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}})", 1, ErrorCode::kRefused, "F4"},
      {R"({"t":{"dtype":"F32","data_offsets":[0,4]}})", 4, kBad, "no shape"},
      {R"({"t":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, kBad, "whole numbers"},
      {R"({"t":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, kBad,
       "beyond 64 bits"},
      {R"({"t":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}})", 4,
       ErrorCode::kRefused, "9 dimensions"},
      {R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, kBad, "two whole numbers"},
      {R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, kBad, "is not in the"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 4, kBad, "is not in the"},
      {R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 8, kBad, "needs 4 bytes"},
      {R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, kBad, "hole"},
      {R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 5, kBad, "behind the last"},
      {R"({"t":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
       R"("u":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}})",
       6, kBad, "overlaps"},
      {R"({"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
       R"("t":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       2, kBad, "not valid JSON"},
      {R"({"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1, ErrorCode::kRefused, "name"},
  };
  for (const Case& broken : cases) {
    expect_refused(open_bytes(file_of(broken.header, broken.data_bytes)), broken.code,
                   broken.words);
  }
}

constexpr std::string_view kOne = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
constexpr std::string_view kOther = R"({"b":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";

TEST(Safetensors, ShardsOfAnIndexAreJoined) {
  io::SimulatedFileSystem files;
  files.put("/m/1.safetensors", file_of(kOne, 1));
  files.put("/m/2.safetensors", file_of(kOther, 2));
  files.put("/m/model.safetensors.index.json",
            R"({"weight_map":{"b":"2.safetensors","a":"1.safetensors"}})");
  const auto model = SafetensorsModel::open(files, "/m");
  ASSERT_TRUE(model.ok()) << model.error().message;
  ASSERT_EQ(model->shards().size(), 2u);
  EXPECT_EQ(model->find("a")->shard, 0u);
  EXPECT_EQ(model->find("b")->shard, 1u);

  files.put("/m/2.safetensors", file_of(kOne, 1));
  expect_refused(SafetensorsModel::open(files, "/m"), ErrorCode::kDamaged, "1.safetensors and in");
  ASSERT_TRUE(files.remove("/m/2.safetensors").ok());
  expect_refused(SafetensorsModel::open(files, "/m"), ErrorCode::kNotFound, "2.safetensors");
}

TEST(Safetensors, AnIndexNamesFilesBesideItOnly) {
  io::SimulatedFileSystem files;
  files.put("/a.safetensors", file_of(kOne, 1));
  for (const char* name :
       {R"("../a.safetensors")", R"("/a.safetensors")", R"("..")", R"("")", "1"}) {
    files.put("/m/model.safetensors.index.json",
              R"({"weight_map":{"a":)" + std::string(name) + "}}");
    expect_refused(SafetensorsModel::open(files, "/m"), ErrorCode::kDamaged, "beside it");
  }
  files.put("/m/model.safetensors.index.json", R"({"weight_map":{}})");
  expect_refused(SafetensorsModel::open(files, "/m"), ErrorCode::kDamaged, "no weight_map");
}

TEST(Safetensors, PicklesAreRefusedByName) {
  io::SimulatedFileSystem files;
  files.put("/m/pytorch_model.bin", "anything");
  expect_refused(SafetensorsModel::open(files, "/m"), ErrorCode::kRefused, "pytorch_model.bin");
  expect_refused(SafetensorsModel::open(files, "/m/pytorch_model.bin"), ErrorCode::kRefused,
                 "pickle");
  files.put("/m/model.safetensors", file_of(kOne, 1));
  EXPECT_TRUE(SafetensorsModel::open(files, "/m").ok());
}

}  // namespace
}  // namespace freehold::model
