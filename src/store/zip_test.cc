#include "store/zip.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/bytes.h"
#include "base/random.h"
#include "io/simulated_file_system.h"
#include "store/zip_maker.h"

namespace freehold::store {
namespace {

std::string noise(size_t size, uint64_t seed) {
  base::RandomStream random(seed);
  std::string text(size, '\0');
  for (char& byte : text) byte = static_cast<char>(random.next_u32() & 15u);  // packs to a half
  return text;
}

struct Opened {
  io::SimulatedFileSystem disk;
  std::unique_ptr<io::ReadableFile> file;
  explicit Opened(const std::string& bytes) {
    disk.put("/a.whl", bytes);
    disk.set_bytes_per_call(100'003);
    file = disk.open("/a.whl").value();
  }
};

/// The member's content, or the error of opening, finding or reading.
Result<std::string> unpacked(const std::string& bytes, const std::string& pattern = "*.gguf") {
  Opened opened(bytes);
  const ZipArchive archive = TRY(ZipArchive::open(*opened.file));
  const ZipMember* member = TRY(archive.find_one(pattern));
  std::string content;
  TRY(archive.read(*member, [&content](std::span<const std::byte> piece) -> Status {
    content.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return {};
  }));
  return content;
}

TEST(Zip, ReadsStoredDeflatedAndZip64) {
  const std::string model = noise(1'500'000, 1);
  for (const bool deflated : {false, true}) {
    for (const bool zip64 : {false, true}) {
      ZipMaker maker(zip64);
      maker.add("p/__init__.py", "x = 1\n", true);
      maker.add("p/m.gguf", model, deflated);
      maker.add("p-1.dist-info/RECORD", "", false);
      EXPECT_EQ(unpacked(maker.finish()).value(), model) << deflated << zip64;
    }
  }
  ZipMaker maker;
  maker.add("p/m.gguf", model, true);
  EXPECT_EQ(unpacked(maker.finish("a comment PK\x05\x06 with a lure in it")).value(), model);
  ZipMaker empty;
  empty.add("e.gguf", "", true);
  EXPECT_EQ(unpacked(empty.finish()).value(), "");
}

TEST(Zip, FindsExactlyOne) {
  ZipMaker maker;
  maker.add("p/a.gguf", "1", false);
  maker.add("p/b.gguf", "2", false);
  const std::string bytes = maker.finish();
  EXPECT_EQ(unpacked(bytes).error().code, ErrorCode::kDamaged);
  EXPECT_EQ(unpacked(bytes, "p/c*").error().code, ErrorCode::kDamaged);
  EXPECT_EQ(unpacked(bytes, "p/b.gguf").value(), "2");
}

TEST(Zip, Patterns) {
  EXPECT_TRUE(matches_pattern("a/data/x.part00", "*/data/*.part00"));
  EXPECT_TRUE(matches_pattern("aXbXc", "a*b*c"));
  EXPECT_TRUE(matches_pattern("abcbc", "a*bc"));
  EXPECT_TRUE(matches_pattern("", "*"));
  EXPECT_FALSE(matches_pattern("abc", "a*bd"));
  EXPECT_FALSE(matches_pattern("abc", "ab"));
  EXPECT_FALSE(matches_pattern(std::string(50'000, 'a'), "a*a*a*a*b"));  // in no time
}

/// Every lie a bomb or a confused archive tells, made by editing one good archive.
TEST(Zip, RefusesLies) {
  const auto lie = [](const std::function<void(ZipMaker::Lie&)>& edit, bool deflated = true) {
    ZipMaker::Lie told;
    edit(told);
    ZipMaker maker;
    maker.add("p/m.gguf", noise(5000, 2), deflated, told);
    maker.add("p/other", noise(100, 3), true);
    return unpacked(maker.finish());
  };
  EXPECT_TRUE(lie([](auto&) {}).ok());
  EXPECT_EQ(lie([](auto& told) { told.bytes = 4999; }).error().code, ErrorCode::kDamaged);
  EXPECT_EQ(lie([](auto& told) { told.bytes = 5001; }).error().code, ErrorCode::kDamaged);
  EXPECT_EQ(lie([](auto& told) { told.bytes = 4999; }, false).error().code, ErrorCode::kDamaged);
  EXPECT_EQ(lie([](auto& told) { told.packed_delta = -1; }).error().code, ErrorCode::kDamaged);
  EXPECT_EQ(lie([](auto& told) { told.packed_delta = 1; }).error().code, ErrorCode::kDamaged);
  EXPECT_EQ(lie([](auto& told) { told.packed_delta = 100'000; }).error().code, ErrorCode::kDamaged);
  EXPECT_EQ(lie([](auto& told) { told.crc_flip = 1; }).error().code, ErrorCode::kDamaged);
  EXPECT_EQ(lie([](auto& told) { told.method = 12; }).error().code, ErrorCode::kRefused);
  EXPECT_EQ(lie([](auto& told) { told.flags = 1; }).error().code, ErrorCode::kRefused);
  EXPECT_EQ(lie([](auto& told) { told.header_offset = 1; }).error().code, ErrorCode::kDamaged);
  EXPECT_EQ(lie([](auto& told) { told.header_offset = 0xFFFFFFF0; }).error().code,
            ErrorCode::kDamaged);
  EXPECT_EQ(lie([](auto& told) { told.local_name = "p/x.gguf"; }).error().code,
            ErrorCode::kDamaged);
}

TEST(Zip, RefusesTheSameNameTwiceAndOverlaps) {
  ZipMaker twice;
  twice.add("p/m.gguf", "one", false);
  twice.add("p/m.gguf", "two", false);
  EXPECT_EQ(unpacked(twice.finish(), "p/m.gguf").error().code, ErrorCode::kDamaged);
  // A bomb's trick: many directory entries over the same packed bytes.
  ZipMaker overlapping;
  overlapping.add("m.gguf", noise(50'000, 5), true);
  for (int i = 0; i < 20; ++i) {
    overlapping.add_alias(fmt::format("alias{}", i));
  }
  EXPECT_EQ(unpacked(overlapping.finish()).error().code, ErrorCode::kDamaged);
}

TEST(Zip, LimitsHold) {
  ZipMaker maker;
  for (int i = 0; i < 10; ++i) maker.add(fmt::format("m{}", i), "x", false);
  Opened opened(maker.finish());
  EXPECT_EQ(ZipArchive::open(*opened.file, {.members_max = 9}).error().code, ErrorCode::kRefused);
  EXPECT_EQ(ZipArchive::open(*opened.file, {.directory_bytes_max = 100}).error().code,
            ErrorCode::kRefused);
  EXPECT_EQ(ZipArchive::open(*opened.file, {.name_bytes_max = 1}).error().code,
            ErrorCode::kRefused);
  EXPECT_TRUE(ZipArchive::open(*opened.file, {.members_max = 10}).ok());
}

// A sink's refusal comes back as it is, at once.
TEST(Zip, TheSinkMayStop) {
  ZipMaker maker;
  maker.add("m.gguf", noise(3'000'000, 9), true);
  Opened opened(maker.finish());
  const ZipArchive archive = ZipArchive::open(*opened.file).value();
  int calls = 0;
  const Status read = archive.read(archive.members()[0], [&calls](auto) -> Status {
    ++calls;
    return Error{ErrorCode::kInterrupted, "stop", {}};
  });
  EXPECT_EQ(read.error().code, ErrorCode::kInterrupted);
  EXPECT_EQ(calls, 1);
}

TEST(Zip, EveryTruncationAndManyFlipsAreNamed) {
  ZipMaker maker;
  const std::string model = noise(4000, 4);
  maker.add("p/m.gguf", model, true);
  maker.add("p/n", "small", false);
  const std::string good = maker.finish();
  for (size_t length = 0; length < good.size(); ++length) {
    EXPECT_FALSE(unpacked(good.substr(0, length)).ok()) << length;
  }
  int survived = 0;
  for (size_t at = 0; at < good.size(); ++at) {
    std::string flipped = good;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x20);
    const Result<std::string> result = unpacked(flipped);
    // Times and the other member may change; the content never does.
    EXPECT_TRUE(!result.ok() || *result == model) << at;
    survived += result.ok();
  }
  EXPECT_GT(survived, 0);
  EXPECT_LT(survived, 200);
}

}  // namespace
}  // namespace freehold::store
