// Limits that need more than a fixture: each one at its edge, just inside and just outside; and
// damage at random places.

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/random.h"
#include "io/simulated_file_system.h"
#include "model/gguf/gguf.h"
#include "model/gguf/gguf_bytes.h"
#include "model/gguf/header_reader.h"
#include "model/gguf/parse_file.h"

namespace freehold::model {
namespace {

Status open_bytes(const std::string& bytes, const GgufLimits& limits = {}) {
  io::SimulatedFileSystem files;
  files.put("/m.gguf", bytes);
  auto file = files.open("/m.gguf");
  EXPECT_TRUE(file.ok());
  auto parsed = parse_file(**file, limits, 0);
  if (!parsed.ok()) return std::move(parsed).error();
  return check_vocabulary(parsed->metadata);
}

void expect_error(const std::string& bytes, ErrorCode code, const std::string& part,
                  const GgufLimits& limits = {}) {
  const Status status = open_bytes(bytes, limits);
  ASSERT_FALSE(status.ok()) << "opened; expected: " << part;
  EXPECT_EQ(status.error().code, code) << status.error().message;
  EXPECT_NE(status.error().message.find(part), std::string::npos) << status.error().message;
}

void expect_fine(const std::string& bytes, const GgufLimits& limits = {}) {
  const Status status = open_bytes(bytes, limits);
  EXPECT_TRUE(status.ok()) << status.error().message;
}

TEST(GgufLimits, KeyCount) {
  GgufBytes file;
  for (int i = 0; i < 65536; ++i) file.u8("key." + std::to_string(i), 0);
  expect_fine(file.build());
  file.u8("one.more", 0);
  expect_error(file.build(), ErrorCode::kRefused, "the key count is 65537; the limit is 65536");
}

TEST(GgufLimits, CountsAgainstTheBytesLeft) {
  GgufBytes file;
  file.u8("k", 0);  // 8 + 1 + 4 + 1 = 14 bytes: the smallest record there is.
  expect_fine(file.build());
  file.key_count = 2;
  expect_error(file.build(), ErrorCode::kDamaged, "room for at most 1");
  GgufBytes tensors;
  tensors.raw_tensor("t", 1, {1}, 0, 0).data(4);
  tensors.tensor_count = 3;  // 72 bytes are left, a record has 33 at least.
  expect_error(tensors.build(), ErrorCode::kDamaged, "the tensor count is 3");
}

TEST(GgufLimits, TensorCountOverAllShards) {
  GgufLimits limits;
  limits.tensors = 2;
  GgufBytes file;
  file.tensor("a", {8}, 0, 32).tensor("b", {8}, 0, 32);
  expect_fine(file.build(), limits);
  file.tensor("c", {8}, 0, 32);
  expect_error(file.build(), ErrorCode::kRefused, "the tensor count is 3; the limit is 2", limits);
  io::SimulatedFileSystem files;
  files.put("/m", GgufBytes().tensor("a", {8}, 0, 32).build());
  auto opened = files.open("/m");
  EXPECT_TRUE(parse_file(**opened, limits, 1).ok());
  EXPECT_FALSE(parse_file(**opened, limits, 2).ok());
  EXPECT_FALSE(parse_file(**opened, limits, 3).ok());
}

TEST(GgufLimits, StringBytes) {
  GgufLimits limits;
  expect_error(GgufBytes().text("s", std::string((64u << 20) + 1, 'x')).build(),
               ErrorCode::kRefused, "is 67108865; the limit is 67108864");
  limits.string_bytes = 1000;
  expect_fine(GgufBytes().text("s", std::string(1000, 'x')).build(), limits);
  expect_error(GgufBytes().text("s", std::string(1001, 'x')).build(), ErrorCode::kRefused,
               "is 1001; the limit is 1000", limits);
  expect_fine(GgufBytes().texts("s", {std::string(1000, 'x')}).build(), limits);
  expect_error(GgufBytes().texts("s", {"a", std::string(1001, 'x')}).build(), ErrorCode::kRefused,
               "a string in an array", limits);
}

TEST(GgufLimits, TokenBytes) {
  const std::string most(65536, 'x');
  expect_fine(GgufBytes().texts("tokenizer.ggml.tokens", {most, "b"}).build());
  expect_error(GgufBytes().texts("tokenizer.ggml.tokens", {"b", most + "x"}).build(),
               ErrorCode::kRefused, "key 'tokenizer.ggml.tokens': the length of a string");
  expect_fine(GgufBytes().texts("other.words", {most + "x"}).build());
}

TEST(GgufLimits, KeyBytes) {
  expect_fine(GgufBytes().u8(std::string(65536, 'k'), 0).build());
  expect_error(GgufBytes().u8(std::string(65537, 'k'), 0).build(), ErrorCode::kRefused,
               "the length of a key");
  for (const std::string key : {"has space", "line\n", "\x7f", "h\xc3\xa9"}) {
    expect_error(GgufBytes().u8(key, 0).build(), ErrorCode::kDamaged, "is not printable ASCII");
  }
}

TEST(GgufLimits, TensorNameBytes) {
  expect_fine(GgufBytes().tensor(std::string(64, 'n'), {8}, 0, 32).build());
  expect_error(GgufBytes().tensor(std::string(65, 'n'), {8}, 0, 32).build(), ErrorCode::kRefused,
               "the length of a tensor's name");
}

TEST(GgufLimits, HeaderBytes) {
  GgufLimits limits;
  limits.header_bytes = 1000;
  GgufBytes file;
  file.array<uint8_t>("a", 0, std::vector<uint8_t>(1000 - 24 - 8 - 1 - 4 - 4 - 8, 1));
  expect_fine(file.build(), limits);
  file.u8("b", 1);
  expect_error(file.build(), ErrorCode::kRefused, "the header is larger than 1000 bytes", limits);
  expect_error(GgufBytes().text("s", std::string(1000, 'x')).build(), ErrorCode::kRefused,
               "the header is larger than 1000 bytes", limits);
}

TEST(GgufLimits, Alignment) {
  for (const uint32_t wrong : {0u, 1u, 2u, 4u, 9u, 33u, 131072u, 0xFFFFFFFFu}) {
    expect_error(GgufBytes().u32("general.alignment", wrong).build(), ErrorCode::kDamaged,
                 "not a power of two from 8 to 65536");
  }
  for (const uint32_t right : {8u, 16u, 65536u}) {
    expect_fine(GgufBytes().u32("general.alignment", right).build());
  }
}

TEST(GgufLimits, ShapesAndSizes) {
  const auto shape = [](std::vector<uint64_t> dims, uint32_t type) {
    const auto count = static_cast<uint32_t>(dims.size());
    return GgufBytes().raw_tensor("t", count, dims, type, 0).data(1024).build();
  };
  expect_error(shape({0}, 0), ErrorCode::kDamaged, "a dimension of 0");
  expect_error(shape({8, 8, 8, 0}, 0), ErrorCode::kDamaged, "a dimension of 0");
  expect_error(shape({UINT64_MAX}, 0), ErrorCode::kDamaged, "63 bits");
  expect_error(shape({1ull << 32, 1ull << 31}, 0), ErrorCode::kDamaged, "63 bits");
  expect_error(shape({1ull << 62}, 0), ErrorCode::kDamaged, "64 bits");
  expect_error(shape({1ull << 31, 1ull << 31}, 0), ErrorCode::kDamaged, "64 bits");
  expect_error(shape({128}, 12), ErrorCode::kDamaged, "not a multiple of Q4_K's 256");
  expect_error(shape({16, 2}, 2), ErrorCode::kDamaged, "not a multiple of Q4_0's 32");
  // 2^63 bytes at the data's start: the sum fits 64 bits and is beyond the file.
  expect_error(shape({1ull << 61}, 0), ErrorCode::kDamaged, "but the file ends at byte");
  expect_error(shape({257}, 0), ErrorCode::kDamaged, "but the file ends at byte");
  expect_fine(shape({256}, 0));
}

// Mutants: the checks as careless readers wrote them. Each passes the very numbers that ours
// refuses, so the tests above would notice if ours became one of them.
bool mutant_room_by_product(uint64_t count, uint64_t record_bytes, uint64_t left) {
  return count * record_bytes <= left;
}
bool mutant_end_by_sum(uint64_t start, uint64_t offset, uint64_t bytes, uint64_t file_size) {
  return start + offset + bytes <= file_size;
}
bool mutant_padded_sum(uint64_t bytes, uint64_t alignment, uint64_t left) {
  return base::align_up(bytes, alignment) <= left;
}
bool mutant_signed_length(uint64_t bytes, uint64_t left) {
  return static_cast<int32_t>(bytes) <= static_cast<int32_t>(left);
}

TEST(GgufMutants, PassWhatOursRefuses) {
  constexpr uint64_t kCount = uint64_t{1} << 61;
  EXPECT_TRUE(mutant_room_by_product(kCount, 8, 100));
  std::string array = le<uint32_t>(10) + le<uint64_t>(kCount) + std::string(100, '\0');
  expect_error(GgufBytes().raw_key("x", 9, array).build(), ErrorCode::kDamaged, "an array's count");

  EXPECT_TRUE(mutant_end_by_sum(96, UINT64_MAX - 127, 64, 256));
  expect_error(GgufBytes().raw_tensor("t", 1, {32}, 0, UINT64_MAX - 127).data(160).build(),
               ErrorCode::kDamaged, "ends beyond 64 bits");

  // F16: 2^63 - 1 values are 2^64 - 2 bytes, padded to 0.
  EXPECT_TRUE(mutant_padded_sum(UINT64_MAX - 1, 32, 160));
  expect_error(GgufBytes().raw_tensor("t", 1, {INT64_MAX}, 1, 0).data(160).build(),
               ErrorCode::kDamaged, "ends beyond 64 bits");

  EXPECT_TRUE(mutant_signed_length(0x80000001u, 100));
  array = le<uint32_t>(8) + le<uint64_t>(1) + le<uint64_t>(0x80000001u) + std::string(100, 'x');
  expect_error(GgufBytes().raw_key("tokenizer.ggml.tokens", 9, array).build(), ErrorCode::kDamaged,
               "the length of a string in an array is 2147483649");
}

TEST(GgufDamage, CutAnywhereIsAnError) {
  const std::string whole = real_shaped().build();
  expect_fine(whole);
  base::RandomStream random(7);
  for (int i = 0; i < 200; ++i) {
    const std::string cut = whole.substr(0, random.next_u64() % (whole.size() - 31));
    const Status status = open_bytes(cut);
    ASSERT_FALSE(status.ok()) << "cut at " << cut.size();
    EXPECT_EQ(status.error().code, ErrorCode::kDamaged) << status.error().message;
    EXPECT_FALSE(status.error().hint.empty());
  }
  // Every place in the header, one by one.
  const size_t header = real_shaped().data_start();
  for (size_t cut = 0; cut < header; cut += 3) {
    ASSERT_FALSE(open_bytes(whole.substr(0, cut)).ok()) << "cut at " << cut;
  }
}

TEST(GgufDamage, FlippedBitsNeverCrash) {
  const GgufBytes file = real_shaped();
  const std::string whole = file.build();
  const auto header = static_cast<uint32_t>(file.data_start());
  base::RandomStream random(11);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes = whole;
    const uint32_t flips = 1 + random.below(3);
    for (uint32_t k = 0; k < flips; ++k) {
      const uint32_t place = random.below(header);
      bytes[place] = static_cast<char>(bytes[place] ^ (1 << random.below(8)));
    }
    const Status status = open_bytes(bytes);
    if (status.ok()) continue;
    ++refused;
    EXPECT_FALSE(status.error().message.empty());
    EXPECT_FALSE(status.error().hint.empty());
  }
  // Most of the header is text and scores, where a flip is another text; the rest must be noticed.
  EXPECT_GT(refused, 300);
}

TEST(HeaderReader, NumbersAcrossTheBuffersEdge) {
  std::string bytes = "xyz";  // so that numbers straddle the buffer's end
  for (uint32_t i = 0; i < 200'000; ++i) bytes += le(i);
  io::SimulatedFileSystem files;
  files.put("/n", bytes);
  auto file = files.open("/n");
  HeaderReader reader(**file, UINT64_MAX);
  ASSERT_TRUE(reader.need(3, "a prefix").ok());
  for (uint32_t i = 0; i < 200'000; ++i) {
    auto number = reader.number<uint32_t>("a number");
    ASSERT_TRUE(number.ok());
    ASSERT_EQ(*number, i);
  }
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_FALSE(reader.need(1, "more").ok());
}

TEST(HeaderReader, TextsAcrossTheBuffersEdge) {
  base::RandomStream random(3);
  std::string bytes(1'500'000, '\0');
  for (char& c : bytes) c = static_cast<char>(random.next_u32());
  io::SimulatedFileSystem files;
  files.put("/n", bytes);
  auto file = files.open("/n");
  HeaderReader reader(**file, UINT64_MAX);
  std::string arena;
  while (reader.remaining() > 0) {
    if (random.below(2) == 0 && reader.remaining() >= 5) {
      auto five = reader.need(5, "five");
      ASSERT_TRUE(five.ok());
      arena.append(*five, 5);
    } else {
      const uint64_t most = random.below(4) == 0 ? 400'000 : 50;
      const uint64_t count =
          std::min<uint64_t>(random.below(static_cast<uint32_t>(most)), reader.remaining());
      ASSERT_TRUE(reader.append_to(arena, count, "text").ok());
    }
    ASSERT_EQ(reader.position(), arena.size());
  }
  EXPECT_TRUE(arena == bytes);
}

}  // namespace
}  // namespace freehold::model
