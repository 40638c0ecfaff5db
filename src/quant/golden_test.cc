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
#include "quant/format.h"

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

std::vector<const Format*> formats() {
  std::vector<const Format*> rows;
  for (const Format& row : all_formats()) rows.push_back(&row);
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Every, GoldenBlocks, testing::ValuesIn(formats()),
                         [](const auto& row) { return std::string(row.param->name); });

}  // namespace
}  // namespace freehold::quant
