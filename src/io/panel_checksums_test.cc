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
  const auto bytes = model_of(2 * kChecksumPanelBytes + 17);
  const PanelChecksums whole = checksums_of(bytes, bytes.size());
  EXPECT_EQ(whole.panels.size(), 3u);
  EXPECT_EQ(whole.panel_bytes(2), 17u);
  EXPECT_EQ(checksums_of(bytes, 999'983), whole);
  const auto exact = model_of(kChecksumPanelBytes);
  EXPECT_EQ(checksums_of(exact, 4096).panels.size(), 1u);
  EXPECT_EQ(checksums_of({}, 1).panels.size(), 0u);
}

TEST(PanelChecksums, FindDamage) {
  auto bytes = model_of(kChecksumPanelBytes + 5);
  const PanelChecksums table = checksums_of(bytes, bytes.size());
  const auto first = std::span(bytes).first(kChecksumPanelBytes);
  const auto second = std::span(bytes).subspan(kChecksumPanelBytes);
  check_panel(table, 0, first, "m").value();
  check_panel(table, 1, second, "m").value();
  EXPECT_FALSE(check_panel(table, 1, first, "m").ok());
  EXPECT_FALSE(check_panel(table, 2, {}, "m").ok());
  EXPECT_FALSE(check_panel(table, 1, second.first(4), "m").ok());
  bytes[kChecksumPanelBytes + 2] ^= std::byte{1};
  const Status found = check_panel(table, 1, second, "m");
  EXPECT_EQ(found.error().code, ErrorCode::kDamaged);
  EXPECT_NE(found.error().message.find("4194304"), std::string::npos);
}

TEST(PanelChecksums, TableSurvivesTheDiskAndRefusesDamage) {
  const PanelChecksums table = checksums_of(model_of(9'000'000), 65'536);
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

}  // namespace
}  // namespace freehold::io
