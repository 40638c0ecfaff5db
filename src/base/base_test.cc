#include <gtest/gtest.h>

#include <cmath>

#include "base/bytes.h"
#include "base/float16.h"
#include "base/random.h"
#include "base/result.h"
#include "base/text.h"

namespace freehold::base {
namespace {

Result<int> half(int value) {
  if (value % 2 != 0) return Error{ErrorCode::kUsage, "odd", {}};
  return value / 2;
}

Result<int> quarter(int value) {
  const int first = TRY(half(value));
  return TRY(half(first));
}

TEST(Result, TryPassesErrorsUp) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().message, "odd");
}

// Philox4x32-10 known answers from the authors' Random123 distribution.
TEST(Random, PhiloxKnownAnswers) {
  EXPECT_EQ(philox4x32_10({0, 0, 0, 0}, 0),
            (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32_10({ones, ones, ones, ones}, ~0ull),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32_10({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822ull),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Float16, EveryValueGoesRound) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half_bits = static_cast<uint16_t>(bits);
    const float wide = float_from_f16(half_bits);
    if (std::isnan(wide)) {
      EXPECT_TRUE(std::isnan(float_from_f16(f16_from_float(wide))));
    } else {
      EXPECT_EQ(f16_from_float(wide), half_bits) << bits;
    }
  }
}

TEST(Float16, RoundsToNearestEven) {
  EXPECT_EQ(f16_from_float(1.0f + 0x1p-11f), 0x3C00);             // a tie goes down to even
  EXPECT_EQ(f16_from_float(1.0f + 0x1p-10f + 0x1p-11f), 0x3C02);  // a tie goes up to even
  EXPECT_EQ(f16_from_float(65519.99f), 0x7BFF);
  EXPECT_EQ(f16_from_float(65520.0f), 0x7C00);
  EXPECT_EQ(f16_from_float(0x1p-25f), 0x0000);
  EXPECT_EQ(f16_from_float(std::nextafter(0x1p-25f, 1.0f)), 0x0001);
  EXPECT_EQ(bf16_from_float(1.0f + 0x1p-8f), 0x3F80);
}

TEST(Text, DecodesOnlyRealUtf8) {
  EXPECT_TRUE(decode_utf8("\xE2\x82\xAC").valid);
  EXPECT_EQ(decode_utf8("\xE2\x82\xAC").value, 0x20ACu);
  for (const char* bad : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\x80", "\xE2\x82"}) {
    EXPECT_FALSE(decode_utf8(bad).valid);
    EXPECT_EQ(decode_utf8(bad).length, 1);
  }
  EXPECT_EQ(incomplete_utf8_tail("a\xE2\x82"), 2u);
  EXPECT_EQ(incomplete_utf8_tail("a\xE2\x82\xAC"), 0u);
}

TEST(Text, Sizes) {
  EXPECT_EQ(parse_size("3G").value(), 3ull << 30);
  EXPECT_EQ(parse_size("1.5K").value(), 1536u);
  EXPECT_EQ(parse_size("17").value(), 17u);
  for (const char* bad : {"", "G", "-1", "1e3", "3GB", "nan", "99999999999G"}) {
    EXPECT_FALSE(parse_size(bad).ok()) << bad;
  }
}

TEST(Text, PrintableHoldsNoControl) {
  EXPECT_EQ(printable("a\x1b]0;b\x07"), "'a\\x1b]0;b\\x07'");
  EXPECT_EQ(printable("\xC2\x9B\xFF\xE2\x82\xAC"), "'\\xc2\\x9b\\xff\xE2\x82\xAC'");
  EXPECT_LT(printable(std::string(1000, 'x')).size(), 100u);
}

TEST(Text, UnsignedNumbers) {
  EXPECT_EQ(parse_unsigned("18446744073709551615").value(), ~0ull);
  for (const char* bad : {"", "-1", "18446744073709551616", "1x"}) {
    EXPECT_FALSE(parse_unsigned(bad).ok()) << bad;
  }
}

TEST(Text, Base64) {
  EXPECT_EQ(decode_base64(""), "");
  EXPECT_EQ(decode_base64("Zg=="), "f");
  EXPECT_EQ(decode_base64("Zm8="), "fo");
  EXPECT_EQ(decode_base64("Zm9vYmE+"), "fooba>");
  EXPECT_EQ(decode_base64("////"), "\xFF\xFF\xFF");
  for (const char* bad : {"Zg=", "Zg", "Z===", "====", "Zm8=Zm8=", "Zm9*", "Zm 9"}) {
    EXPECT_FALSE(decode_base64(bad).has_value()) << bad;
  }
}

TEST(Text, EditDistance) {
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("same", "same"), 0u);
}

TEST(Bytes, OverflowIsNamed) {
  EXPECT_FALSE(checked_multiply(1ull << 33, 1ull << 31).has_value());
  EXPECT_FALSE(checked_add(~0ull, 1).has_value());
  EXPECT_EQ(align_up<uint64_t>(33, 32), 64u);
}

}  // namespace
}  // namespace freehold::base
