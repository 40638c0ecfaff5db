// Every format's decode against golden/quant (tools/golden/make_quant_goldens.py, PyPI `gguf`): bit
// for bit, since that package multiplies in the order of docs/NUMERICS.md, section 1.

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "device/isa.h"
#include "quant/activation.h"
#include "quant/format.h"
#include "quant/test_panels.h"

namespace freehold::quant {
namespace {

struct Golden {
  std::vector<std::byte> blocks;
  std::vector<float> values;
};

Golden read_golden(const Format& format) {
  std::string name(format.name);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  std::ifstream file(std::string(FREEHOLD_SOURCE_DIR) + "/golden/quant/" + name + ".bin",
                     std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Golden golden;
  if (bytes.size() < 4) return golden;
  const size_t count = base::load_le<uint32_t>(bytes.data());
  const size_t block_bytes = count * format.block_bytes;
  if (bytes.size() != 4 + block_bytes + count * format.block_values * sizeof(float)) return golden;
  golden.blocks.resize(block_bytes);
  std::memcpy(golden.blocks.data(), bytes.data() + 4, block_bytes);
  golden.values.resize(count * format.block_values);
  std::memcpy(golden.values.data(), bytes.data() + 4 + block_bytes,
              golden.values.size() * sizeof(float));
  return golden;
}

size_t differences(const std::vector<float>& a, const std::vector<float>& b) {
  size_t count = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::bit_cast<uint32_t>(a[i]) != std::bit_cast<uint32_t>(b[i])) ++count;
  }
  return count;
}

class GoldenBlocks : public testing::TestWithParam<const Format*> {};

TEST_P(GoldenBlocks, DecodeEqualsTheFieldsPackage) {
  const Format& format = *GetParam();
  const Golden golden = read_golden(format);
  ASSERT_FALSE(golden.values.empty()) << format.name;
  std::vector<float> decoded(golden.values.size(), -1.0f);
  format.decode_row(golden.blocks.data(), decoded.size(), decoded.data());
  EXPECT_EQ(differences(decoded, golden.values), 0u);
}

// The control: swapping the nibbles of every byte must not pass unseen.
TEST_P(GoldenBlocks, MutantSwappedNibblesIsRejected) {
  const Format& format = *GetParam();
  Golden golden = read_golden(format);
  ASSERT_FALSE(golden.values.empty()) << format.name;
  for (std::byte& byte : golden.blocks) byte = (byte << 4) | (byte >> 4);
  std::vector<float> decoded(golden.values.size());
  format.decode_row(golden.blocks.data(), decoded.size(), decoded.data());
  EXPECT_GT(differences(decoded, golden.values), 0u);
}

std::vector<uint8_t> from_hex(const std::string& text) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned value = 0;
    for (const char letter : text.substr(i, 2)) {
      const int digit = letter <= '9' ? letter - '0' : letter - 'a' + 10;
      value = value * 16 + static_cast<unsigned>(digit);
    }
    bytes.push_back(static_cast<uint8_t>(value));
  }
  return bytes;
}

/// Big-endian bits of an f32, as dots.txt writes them.
float float_from_hex(const std::string& text) {
  const std::vector<uint8_t> bytes = from_hex(text);
  uint32_t bits = 0;
  for (const uint8_t byte : bytes) bits = bits << 8 | byte;
  return std::bit_cast<float>(bits);
}

std::vector<PanelDotFn> every_path(const Format& format) {
  std::vector<PanelDotFn> paths = {format.dot_ref, format.dot_emulated};
  for (const device::Isa isa : {device::Isa::kAvx2, device::Isa::kAvx512}) {
    if (isa <= device::best_isa()) paths.push_back(format.dot(isa));
  }
  return paths;
}

// Section 1 in exact rational arithmetic, by another program in another language.
TEST(GoldenDots, EveryPathGivesTheVectorsBits) {
  std::ifstream file(std::string(FREEHOLD_SOURCE_DIR) + "/golden/quant/dots.txt");
  std::string name;
  std::string row_hex;
  std::string q_hex;
  std::string scales;
  std::string y_hex;
  size_t lines = 0;
  while (file >> name >> row_hex >> q_hex >> scales >> y_hex) {
    ++lines;
    const Format* format = find_format(name);
    ASSERT_NE(format, nullptr) << name;
    const std::vector<uint8_t> row = from_hex(row_hex);
    TestActivations x;
    for (const uint8_t byte : from_hex(q_hex)) x.q.push_back(static_cast<int8_t>(byte));
    x.view.width = x.q.size();
    x.q.resize(padded_width(x.q.size()));
    x.sums.resize(x.q.size() / 16);
    for (size_t i = 0; i < x.q.size(); ++i) {
      x.sums[i / 16] = static_cast<int16_t>(x.sums[i / 16] + x.q[i]);
    }
    for (size_t at = 0; at < scales.size(); at += 9) {
      x.d.push_back(float_from_hex(scales.substr(at, 8)));
    }
    x.view.columns = 1;
    x.view.q = x.q.data();
    x.view.d = x.d.data();
    x.view.sums = x.sums.data();
    for (const PanelDotFn path : every_path(*format)) {
      float y = 0;
      path({reinterpret_cast<const std::byte*>(row.data()), row.size(), 1, x.view, &y, 1});
      EXPECT_EQ(std::bit_cast<uint32_t>(y), std::bit_cast<uint32_t>(float_from_hex(y_hex))) << name;
    }
  }
  EXPECT_EQ(lines, 13u * 2u);
}

std::vector<const Format*> formats() {
  std::vector<const Format*> rows;
  for (const Format& row : all_formats()) rows.push_back(&row);
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Every, GoldenBlocks, testing::ValuesIn(formats()),
                         [](const auto& row) { return std::string(row.param->name); });

}  // namespace
}  // namespace freehold::quant
