#include "io/panel_checksums.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "io/simulated_file_system.h"

namespace freehold::io {
namespace {

std::vector<std::byte> model_of(size_t size) {
  base::RandomStream random(size);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next_u32());
  return bytes;
}

PanelChecksums checksums_of(std::span<const std::byte> bytes, size_t step) {
  PanelChecksumBuilder builder;
  for (size_t at = 0; at < bytes.size(); at += step) {
    builder.add(bytes.subspan(at, std::min(step, bytes.size() - at)));
  }
  return std::move(builder).finish();
}

TEST(PanelChecksums, DoNotDependOnHowBytesCome) {
  const auto bytes = model_of(2 * kChecksumUnitBytes + 17);
  const PanelChecksums whole = checksums_of(bytes, bytes.size());
  EXPECT_EQ(whole.units.size(), 3u);
  EXPECT_EQ(whole.unit_bytes(2), 17u);
  EXPECT_EQ(checksums_of(bytes, 999'983), whole);
  const auto exact = model_of(kChecksumUnitBytes);
  EXPECT_EQ(checksums_of(exact, 4096).units.size(), 1u);
  EXPECT_EQ(checksums_of({}, 1).units.size(), 0u);
}

TEST(PanelChecksums, FindDamage) {
  auto bytes = model_of(3 * kChecksumUnitBytes + 5);
  const PanelChecksums table = checksums_of(bytes, bytes.size());
  const std::span<const std::byte> all(bytes);
  check_units(table, 0, all, "m").value();
  check_units(table, kChecksumUnitBytes, all.subspan(kChecksumUnitBytes), "m").value();
  // The file's end makes a whole unit; the end of the bytes given does not.
  check_units(table, 0, all.first(kChecksumUnitBytes + 100), "m").value();
  EXPECT_FALSE(check_units(table, 0, all.subspan(kChecksumUnitBytes), "m").ok());
  for (const size_t damaged :
       {size_t{0}, size_t{2 * kChecksumUnitBytes + 2}, size_t{3 * kChecksumUnitBytes + 4}}) {
    bytes[damaged] ^= std::byte{1};
    const Status found = check_units(table, 0, bytes, "m");
    ASSERT_FALSE(found.ok()) << damaged;
    EXPECT_EQ(found.error().code, ErrorCode::kDamaged);
    const size_t unit = damaged / kChecksumUnitBytes * kChecksumUnitBytes;
    EXPECT_NE(found.error().message.find(std::to_string(unit)), std::string::npos);
    bytes[damaged] ^= std::byte{1};
  }
}

TEST(PanelChecksums, TableSurvivesTheDiskAndRefusesDamage) {
  const PanelChecksums table = checksums_of(model_of(200'000), 65'536);
  const std::string text = table.encode();
  SimulatedFileSystem disk;
  disk.put("/m.crc32c", text);
  EXPECT_EQ(read_panel_checksums(disk, "/m").value(), table);
  EXPECT_EQ(read_panel_checksums(disk, "/n").error().code, ErrorCode::kNotFound);
  for (size_t length = 0; length < text.size(); ++length) {
    EXPECT_FALSE(PanelChecksums::parse(std::string_view(text).substr(0, length)).ok()) << length;
  }
  for (size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(PanelChecksums::parse(flipped).ok()) << bit;
  }
}

TEST(PanelChecksums, ReadCheckedGivesTheFileAndFindsEveryFlippedBit) {
  constexpr uint64_t kUnit = kChecksumUnitBytes;
  const auto bytes = model_of(20 * kUnit + 77);
  const PanelChecksums table = checksums_of(bytes, bytes.size());
  SimulatedFileSystem disk;
  const std::string content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  disk.put("/m", content);
  const auto file = disk.open("/m").value();
  disk.set_bytes_per_call(5000);
  const std::pair<uint64_t, uint64_t> ranges[] = {
      {0, bytes.size()},   {0, kUnit},          {5, 10},          {kUnit - 1, 2},
      {kUnit, 17 * kUnit}, {kUnit + 7, kUnit},  {20 * kUnit, 77}, {20 * kUnit + 3, 4},
      {3, 19 * kUnit},     {19 * kUnit, kUnit}, {77, 0}};
  for (const auto& [offset, count] : ranges) {
    std::vector<std::byte> got(count);
    read_checked(*file, &table, offset, got).value();
    EXPECT_TRUE(std::equal(got.begin(), got.end(), bytes.begin() + static_cast<int64_t>(offset)));
    read_checked(*file, nullptr, offset, got).value();
    EXPECT_EQ(read_checked(*file, &table, bytes.size() - count + 1, got).ok(), count == 0);
    for (const uint64_t at : {offset, offset + count / 2, offset + count - 1}) {
      if (count == 0) continue;
      disk.flip_on_the_way("/m", at, 6);
      EXPECT_EQ(read_checked(*file, &table, offset, got).error().code, ErrorCode::kDamaged)
          << offset << ' ' << count << ' ' << at;
      // The control: without a table nobody sees it.
      read_checked(*file, nullptr, offset, got).value();
      disk.flip_on_the_way("/m", at, 6);
    }
  }
}

}  // namespace
}  // namespace freehold::io
