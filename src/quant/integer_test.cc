// The integer sums against an oracle that has no 8-bit arithmetic at all: decoded values times
// activations in binary64, exact up to 2^53. g++ 12 miscompiles auto-vectorised signed int8 dot
// loops for VNNI targets, so the references need a judge of another kind; and no int32 may
// overflow.

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/random.h"
#include "device/isa.h"
#include "quant/format.h"
#include "quant/test_panels.h"

namespace freehold::quant {
namespace {

/// Makes w = 1 and v = 0 in a block.
void set_unit_scales(const Format& format, std::byte* block) {
  if (format.id == FormatId::MXFP4) block[0] = std::byte{128};
  const std::vector<size_t> fields = f16_fields(format.id);
  for (size_t i = 0; i < fields.size(); ++i) {
    const uint16_t bits = i == 0 ? 0x3C00 : 0;
    std::memcpy(block + fields[i], &bits, sizeof(bits));
  }
}

/// Activations of one column with the given q and a scale of one.
TestActivations unit_activations(const std::vector<int8_t>& q) {
  TestActivations out;
  out.q = q;
  out.q.resize(padded_width(q.size()), 0);
  out.d.assign(q.size() / 32, 1.0f);
  out.sums.resize(out.q.size() / 16);
  for (size_t i = 0; i < out.q.size(); ++i) {
    out.sums[i / 16] = static_cast<int16_t>(out.sums[i / 16] + out.q[i]);
  }
  out.view.columns = 1;
  out.view.width = q.size();
  out.view.q = out.q.data();
  out.view.q_stride = out.q.size();
  out.view.d = out.d.data();
  out.view.d_stride = out.d.size();
  out.view.sums = out.sums.data();
  out.view.sums_stride = out.sums.size();
  return out;
}

std::vector<PanelDotFn> all_paths(const Format& format) {
  std::vector<PanelDotFn> paths = {format.dot_ref, format.dot_emulated};
  for (const device::Isa isa : {device::Isa::kAvx2, device::Isa::kAvx512}) {
    if (isa <= device::best_isa()) paths.push_back(format.dot(isa));
  }
  return paths;
}

/// One block a row: S alone decides y, rounded once to f32.
void expect_exact(const Format& format, TestPanel panel, const std::vector<int8_t>& q) {
  for (size_t row = 0; row < panel.row_count; ++row) {
    set_unit_scales(format, panel.memory.data() + panel.shift + row * panel.row_bytes);
  }
  std::vector<float> expected(panel.row_count);
  std::vector<float> decoded(q.size());
  for (size_t row = 0; row < panel.row_count; ++row) {
    format.decode_row(panel.rows() + row * panel.row_bytes, q.size(), decoded.data());
    double sum = 0;
    for (size_t i = 0; i < q.size(); ++i) {
      sum += static_cast<double>(decoded[i]) * static_cast<double>(q[i]);
    }
    ASSERT_LT(std::abs(sum), 2147483648.0);
    expected[row] = static_cast<float>(sum) + 0.0f;
  }
  for (const PanelDotFn path : all_paths(format)) {
    const std::vector<float> got = run_dot(path, panel, unit_activations(q), panel.row_count);
    EXPECT_EQ(count_differences(expected, got), 0u) << format.name;
  }
}

class Integers : public testing::TestWithParam<const Format*> {};

TEST_P(Integers, EqualTheBinary64Oracle) {
  const Format& format = *GetParam();
  base::RandomStream random(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<int8_t> q(format.block_values);
    for (int8_t& value : q) value = static_cast<int8_t>(static_cast<int>(random.below(255)) - 127);
    expect_exact(format, make_panel(format, 21, q.size(), Fill::kRandom, random), q);
  }
}

TEST_P(Integers, ExtremesDoNotOverflow) {
  const Format& format = *GetParam();
  base::RandomStream random(4);
  for (const int fill : {0x00, 0xFF, 0x80, 0x7F, 0x0F, 0xF0}) {
    for (const int activation : {127, -127}) {
      for (const bool alternate : {false, true}) {
        std::vector<int8_t> q(format.block_values, static_cast<int8_t>(activation));
        for (size_t i = 0; alternate && i < q.size(); i += 2) q[i] = static_cast<int8_t>(-q[i]);
        TestPanel panel = make_panel(format, 17, q.size(), Fill::kZero, random);
        for (std::byte& byte : panel.memory) byte = static_cast<std::byte>(fill);
        expect_exact(format, panel, q);
      }
    }
  }
}

// The worst case of all formats, docs/NUMERICS.md section 1: -32 x -128 x 127 x 256, and with the
// other end of the six bits what the unsigned paths hold on the way: 63 x 128 x 127 x 256.
TEST(IntegerWorstCase, Q6K) {
  const Format& format = freehold::quant::format(FormatId::Q6_K);
  base::RandomStream random(4);
  for (const int value : {0x00, 0xFF}) {
    TestPanel panel = make_panel(format, 16, 256, Fill::kZero, random);
    for (size_t row = 0; row < 16; ++row) {
      std::byte* block = panel.memory.data() + panel.shift + row * panel.row_bytes;
      std::memset(block, value, 192);
      std::memset(block + 192, 0x80, 16);
    }
    expect_exact(format, panel, std::vector<int8_t>(256, 127));
    expect_exact(format, panel, std::vector<int8_t>(256, -127));
  }
}

std::vector<const Format*> quantised_formats() {
  std::vector<const Format*> rows;
  for (const Format& row : all_formats()) {
    if (row.group != ActivationGroup::kFloat) rows.push_back(&row);
  }
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Every, Integers, testing::ValuesIn(quantised_formats()),
                         [](const auto& row) { return std::string(row.param->name); });

}  // namespace
}  // namespace freehold::quant
