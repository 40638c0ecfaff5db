// The table: look-ups, names, fall-backs, and rows that a format forbids.

#include "quant/format.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "base/random.h"
#include "device/isa.h"
#include "quant/test_panels.h"

namespace freehold::quant {
namespace {

TEST(FormatTable, RowsAreWhole) {
  std::set<uint32_t> types;
  for (const Format& row : all_formats()) {
    EXPECT_EQ(&format(row.id), &row);
    EXPECT_EQ(find_format(row.type_id), &row);
    EXPECT_EQ(find_format(row.name), &row);
    EXPECT_EQ(known_type_name(row.type_id), row.name);
    EXPECT_TRUE(types.insert(row.type_id).second);
    EXPECT_NE(row.decode_row, nullptr);
    EXPECT_NE(row.dot_ref, nullptr);
    EXPECT_NE(row.dot_emulated, nullptr);
    EXPECT_EQ(row.row_bytes(row.block_values * 3), row.block_bytes * 3u);
  }
  EXPECT_EQ(types.size(), static_cast<size_t>(FormatId::kCount));
}

TEST(FormatTable, UnknownTypesAreNamedButNotFound) {
  EXPECT_EQ(find_format(16u), nullptr);
  EXPECT_EQ(known_type_name(16), "IQ2_XXS");
  EXPECT_EQ(find_format(0xFFFFFFFFu), nullptr);
  EXPECT_EQ(known_type_name(1000), "an unknown type");
  EXPECT_EQ(find_format("Q9_Z"), nullptr);
}

TEST(FormatTable, RungsFallBackDownwards) {
  Format row = format(FormatId::Q4_K);
  EXPECT_EQ(row.dot(device::Isa::kScalar), row.dot_ref);
  row.dot_avx2 = row.dot_emulated;  // stands for any path of its own
  row.dot_avx512 = nullptr;
  row.dot_amx = nullptr;
  EXPECT_EQ(row.dot(device::Isa::kAmx), row.dot_emulated);
  row.dot_avx2 = nullptr;
  EXPECT_EQ(row.dot(device::Isa::kAmx), row.dot_ref);
}

TEST(FormatTable, Mxfp4RefusesExponent255Anywhere) {
  const Format& row = format(FormatId::MXFP4);
  ASSERT_NE(row.rows_valid, nullptr);
  base::RandomStream random(1);
  TestPanel panel = make_panel(row, 3, 96, Fill::kPlausible, random);
  EXPECT_TRUE(row.rows_valid(panel.rows(), panel.row_bytes, panel.row_count));
  for (size_t at = 0; at < panel.row_bytes * 3; ++at) {
    TestPanel damaged = panel;
    damaged.memory[panel.shift + at] = std::byte{255};
    EXPECT_EQ(row.rows_valid(damaged.rows(), panel.row_bytes, 3), at % 17 != 0) << at;
  }
}

TEST(Panels, OfNoRowsOrNoColumnsWriteNothing) {
  base::RandomStream random(1);
  for (const Format& row : all_formats()) {
    const TestPanel panel = make_panel(row, 4, 256, Fill::kPlausible, random);
    TestActivations x = make_activations(row, 2, 256, false, random);
    std::vector<float> y(8, kUntouched);
    const PanelDotFn dot = row.dot(device::best_isa());
    dot({panel.rows(), panel.row_bytes, 0, x.view, y.data(), 4});
    x.view.columns = 0;
    dot({panel.rows(), panel.row_bytes, 4, x.view, y.data(), 4});
    EXPECT_EQ(y, std::vector<float>(8, kUntouched)) << row.name;
  }
}

}  // namespace
}  // namespace freehold::quant
