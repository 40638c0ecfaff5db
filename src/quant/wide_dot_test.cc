// The shape of the matrix tiles' path, on emulated tiles and lanes, equals the reference bit for
// bit for every quantised format; tiles that do not are found out.

#include "quant/wide_dot.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "quant/iq4_nl/iq4_nl_tile.h"
#include "quant/iq4_xs/iq4_xs_tile.h"
#include "quant/lanes_emulated.h"
#include "quant/mxfp4/mxfp4_tile.h"
#include "quant/q2_k/q2_k_tile.h"
#include "quant/q3_k/q3_k_tile.h"
#include "quant/q4_0/q4_0_tile.h"
#include "quant/q4_1/q4_1_tile.h"
#include "quant/q4_k/q4_k_tile.h"
#include "quant/q5_0/q5_0_tile.h"
#include "quant/q5_1/q5_1_tile.h"
#include "quant/q5_k/q5_k_tile.h"
#include "quant/q6_k/q6_k_tile.h"
#include "quant/q8_0/q8_0_tile.h"
#include "quant/test_panels.h"
#include "quant/tiles_emulated.h"
#include "quant/wide_check.h"

namespace freehold::quant {
namespace {

PanelDotFn wide(FormatId id) {
  switch (id) {
    case FormatId::IQ4_NL:
      return &dot_wide<Iq4NlTile, LanesEmulated, TilesEmulated>;
    case FormatId::IQ4_XS:
      return &dot_wide<Iq4XsTile, LanesEmulated, TilesEmulated>;
    case FormatId::MXFP4:
      return &dot_wide<Mxfp4Tile, LanesEmulated, TilesEmulated>;
    case FormatId::Q2_K:
      return &dot_wide<Q2KTile, LanesEmulated, TilesEmulated>;
    case FormatId::Q3_K:
      return &dot_wide<Q3KTile, LanesEmulated, TilesEmulated>;
    case FormatId::Q4_0:
      return &dot_wide<Q40Tile, LanesEmulated, TilesEmulated>;
    case FormatId::Q4_1:
      return &dot_wide<Q41Tile, LanesEmulated, TilesEmulated>;
    case FormatId::Q4_K:
      return &dot_wide<Q4KTile, LanesEmulated, TilesEmulated>;
    case FormatId::Q5_0:
      return &dot_wide<Q50Tile, LanesEmulated, TilesEmulated>;
    case FormatId::Q5_1:
      return &dot_wide<Q51Tile, LanesEmulated, TilesEmulated>;
    case FormatId::Q5_K:
      return &dot_wide<Q5KTile, LanesEmulated, TilesEmulated>;
    case FormatId::Q6_K:
      return &dot_wide<Q6KTile, LanesEmulated, TilesEmulated>;
    case FormatId::Q8_0:
      return &dot_wide<Q80Tile, LanesEmulated, TilesEmulated>;
    default:
      return nullptr;
  }
}

/// Second operands whose bytes lose their sign: high planes of negative weights come out wrong.
struct UnsignedTiles : TilesEmulated {
  template <size_t c, size_t a, size_t b, bool is_signed>
  void multiply() {
    TilesEmulated::multiply<c, a, b, false>();
  }
};

/// Tiles that take in one row less than they are told.
struct ShortTiles : TilesEmulated {
  void configure(size_t rows, size_t bytes) { TilesEmulated::configure(rows - 1, bytes); }
};

class WideDot : public testing::TestWithParam<FormatId> {};

TEST_P(WideDot, EqualsTheReferenceOnRandomShapes) {
  const Format& format = freehold::quant::format(GetParam());
  base::RandomStream random(41, static_cast<uint32_t>(GetParam()));
  for (int round = 0; round < 12; ++round) {
    const size_t rows = 1 + random.below(40);
    // One group and several, equal and overlapping; once more columns than are kept at once.
    const size_t columns = round == 0 ? kWideColumns + 1 + random.below(9) : 1 + random.below(100);
    const size_t blocks = 1 + random.below(format.block_values == 32 ? 20 : 4);
    const size_t width = blocks * format.block_values;
    const Fill fill = kFills[random.below(6)];
    const TestPanel panel = make_panel(format, round == 0 ? 17 : rows, width, fill, random);
    const TestActivations x = make_activations(format, columns, width, round % 3 == 1, random);
    const std::vector<float> expected = run_dot(format.dot_ref, panel, x, panel.row_count + 2);
    const std::vector<float> got = run_dot(wide(format.id), panel, x, panel.row_count + 2);
    EXPECT_EQ(count_differences(expected, got), 0u)
        << format.name << " rows " << panel.row_count << " columns " << columns << " width "
        << width << " fill " << static_cast<int>(fill);
  }
}

TEST_P(WideDot, PassesTheCheck) {
  const Format& format = freehold::quant::format(GetParam());
  EXPECT_TRUE(equals_reference(format, wide(format.id)));
}

// Mutants of the tiles, on formats of either block size: each costs seconds of compiling.
TEST(WideDotMutants, EveryRowIsTakenIn) {
  EXPECT_FALSE(
      equals_reference(format(FormatId::Q8_0), &dot_wide<Q80Tile, LanesEmulated, ShortTiles>));
  EXPECT_FALSE(
      equals_reference(format(FormatId::Q4_K), &dot_wide<Q4KTile, LanesEmulated, ShortTiles>));
  EXPECT_FALSE(
      equals_reference(format(FormatId::Q6_K), &dot_wide<Q6KTile, LanesEmulated, ShortTiles>));
}

TEST(WideDotMutants, PlanesAreSigned) {
  EXPECT_FALSE(
      equals_reference(format(FormatId::Q6_K), &dot_wide<Q6KTile, LanesEmulated, UnsignedTiles>));
  EXPECT_FALSE(
      equals_reference(format(FormatId::Q3_K), &dot_wide<Q3KTile, LanesEmulated, UnsignedTiles>));
  EXPECT_FALSE(equals_reference(format(FormatId::IQ4_XS),
                                &dot_wide<Iq4XsTile, LanesEmulated, UnsignedTiles>));
}

std::vector<FormatId> quantised() {
  std::vector<FormatId> ids;
  for (const Format& row : all_formats()) {
    if (row.group != ActivationGroup::kFloat) ids.push_back(row.id);
  }
  return ids;
}

INSTANTIATE_TEST_SUITE_P(Every, WideDot, testing::ValuesIn(quantised()),
                         [](const auto& row) { return std::string(format(row.param).name); });

}  // namespace
}  // namespace freehold::quant
