// Bytes equal those that the field's own quantisers make of the same values (golden/encoded, made
// by tools/golden/make_encode_goldens.py).

#include "quant/encode.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/text.h"

namespace freehold::quant {
namespace {

std::string golden_bytes(const std::string& name) {
  std::ifstream file(std::string(FREEHOLD_SOURCE_DIR) + "/golden/encoded/" + name + ".bin",
                     std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<float> golden_values() {
  const std::string bytes = golden_bytes("values");
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::string encoded(const Format& format, const std::vector<float>& values) {
  std::string bytes(format.row_bytes(values.size()), '\0');
  encoder(format.id)(values.data(), values.size(), reinterpret_cast<std::byte*>(bytes.data()));
  return bytes;
}

double error_of(const Format& format, const std::string& bytes, const std::vector<float>& values) {
  std::vector<float> decoded(values.size());
  format.decode_row(reinterpret_cast<const std::byte*>(bytes.data()), values.size(),
                    decoded.data());
  double squares = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double difference = double{decoded[i]} - double{values[i]};
    squares += difference * difference;
  }
  return squares;
}

class Encode : public testing::TestWithParam<FormatId> {};

TEST_P(Encode, WritesTheBytesOfTheFieldsQuantisers) {
  const Format& row = format(GetParam());
  const std::vector<float> values = golden_values();
  const std::string expected =
      golden_bytes(row.id == FormatId::F32 ? "values" : base::lower_case(row.name));
  const std::string got = encoded(row, values);
  ASSERT_EQ(got.size(), expected.size());
  for (size_t block = 0; block * row.block_bytes < got.size(); ++block) {
    ASSERT_EQ(got.compare(block * row.block_bytes, row.block_bytes,
                          expected.substr(block * row.block_bytes, row.block_bytes)),
              0)
        << row.name << ": block " << block;
  }
}

TEST_P(Encode, IsReadBackNearby) {
  const Format& row = format(GetParam());
  const std::vector<float> all = golden_values();
  const std::vector<float> values(all.begin(), all.begin() + 256);  // the plain ones
  double squares = 0;
  for (const float value : values) squares += double{value} * double{value};
  // Two bits leave a tenth of the power; all others less.
  EXPECT_LT(error_of(row, encoded(row, values), values), squares / 10) << row.name;
}

// A mutant: values a hundredth larger have the same levels, so that only scales can tell.
TEST_P(Encode, AnotherScaleIsNoticed) {
  const Format& row = format(GetParam());
  std::vector<float> values = golden_values();
  const std::string before = encoded(row, values);
  for (float& value : values) value *= 1.01f;
  EXPECT_NE(encoded(row, values), before);
}

std::vector<FormatId> written() {
  std::vector<FormatId> ids;
  for (const Format& row : all_formats()) {
    if (encoder(row.id) != nullptr) ids.push_back(row.id);
  }
  return ids;
}

INSTANTIATE_TEST_SUITE_P(Every, Encode, testing::ValuesIn(written()),
                         [](const auto& row) { return std::string(format(row.param).name); });

TEST(EncodeTable, FormatsThatNothingWritesHaveNoEncoder) {
  EXPECT_EQ(encoder(FormatId::MXFP4), nullptr);
  EXPECT_EQ(encoder(FormatId::IQ4_XS), nullptr);
  EXPECT_NE(encoder(FormatId::Q4_K), nullptr);
}

}  // namespace
}  // namespace freehold::quant
