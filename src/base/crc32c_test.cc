#include "base/crc32c.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

#include "base/random.h"

namespace freehold::base {
namespace {

uint32_t of(std::string_view text) { return crc32c(std::as_bytes(std::span(text))); }

// RFC 3720, appendix B.4, and the check value of the CRC catalogues.
TEST(Crc32c, KnownAnswers) {
  EXPECT_EQ(of("123456789"), 0xE3069283u);
  EXPECT_EQ(of(""), 0u);
  EXPECT_EQ(of(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(of(std::string(32, '\xFF')), 0x62A8AB43u);
  std::string rising(32, '\0');
  for (size_t i = 0; i < 32; ++i) rising[i] = static_cast<char>(i);
  EXPECT_EQ(of(rising), 0x46DD794Eu);
}

TEST(Crc32c, FastEqualsReferenceAtEveryLengthAndSplit) {
  RandomStream random(7);
  std::vector<std::byte> bytes(10'000);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next_u32());
  for (size_t length = 0; length < bytes.size(); length += length < 40 ? 1 : 211) {
    const std::span part =
        std::span(bytes).subspan(length % 7, length - std::min<size_t>(length, 7));
    const uint32_t whole = crc32c(part);
    EXPECT_EQ(whole, crc32c_reference(part)) << length;
    const size_t cut = part.size() / 3;
    EXPECT_EQ(crc32c(part.subspan(cut), crc32c(part.first(cut))), whole) << length;
  }
}

TEST(Crc32c, SeesOneFlippedBit) {
  std::vector<std::byte> bytes(4096, std::byte{0x5A});
  const uint32_t whole = crc32c(bytes);
  for (size_t i = 0; i < bytes.size(); i += 97) {
    bytes[i] ^= std::byte{0x10};
    EXPECT_NE(crc32c(bytes), whole);
    bytes[i] ^= std::byte{0x10};
  }
}

}  // namespace
}  // namespace freehold::base
