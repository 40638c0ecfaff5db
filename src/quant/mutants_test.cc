// Plausible wrong versions of the rules, each seen to be rejected by the comparison that guards the
// right one: decode against golden-style values, dots against the reference bit for bit.

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/random.h"
#include "device/isa.h"
#include "quant/format.h"
#include "quant/lanes_emulated.h"
#include "quant/plain.h"
#include "quant/plain_float.h"
#include "quant/q4_0/q4_0_tile.h"
#include "quant/q4_k/q4_k_tile.h"
#include "quant/q6_k/q6_k_tile.h"
#include "quant/q8_0/q8_0.h"
#include "quant/test_panels.h"

namespace freehold::quant {
namespace {

/// A layout like Right's whose blocks Change::apply has tampered with.
template <class Right, class Change>
struct Mutant : Right {
  static void unpack(const uint8_t* bytes, PlainBlock<Mutant>& block) {
    PlainBlock<Right> right;
    Right::unpack(bytes, right);
    std::memcpy(block.value, right.value, sizeof(right.value));
    std::memcpy(block.scale, right.scale, sizeof(right.scale));
    std::memcpy(block.minimum, right.minimum, sizeof(right.minimum));
    block.w = right.w;
    block.v = right.v;
    Change::apply(bytes, block);
  }
};

struct SwappedNibbles {
  template <class Block>
  static void apply(const uint8_t*, Block& block) {
    for (size_t i = 0; i < 256; i += 64) {
      for (size_t k = 0; k < 32; ++k) std::swap(block.value[i + k], block.value[i + 32 + k]);
    }
  }
};

/// Takes the top two bits of scales 4-7 from the minimums' bytes.
struct WrongScalePacking {
  template <class Block>
  static void apply(const uint8_t* bytes, Block& block) {
    for (size_t j = 0; j < 4; ++j) {
      block.scale[j + 4] = (bytes[12 + j] & 0x0F) | ((bytes[8 + j] >> 6) << 4);
    }
  }
};

struct MinimumsAdded {
  template <class Block>
  static void apply(const uint8_t*, Block& block) {
    for (int32_t& minimum : block.minimum) minimum = -minimum;
  }
};

struct UnsignedScales {
  template <class Block>
  static void apply(const uint8_t*, Block& block) {
    for (int32_t& scale : block.scale) scale &= 0xFF;
  }
};

template <class Wrong>
void expect_rejected(FormatId id) {
  const Format& format = freehold::quant::format(id);
  base::RandomStream random(21);
  const TestPanel panel = make_panel(format, 5, 1024, Fill::kPlausible, random);
  const TestActivations x = make_activations(format, 3, 1024, false, random);
  const std::vector<float> expected = run_dot(format.dot_ref, panel, x, 5);
  EXPECT_EQ(count_differences(expected, run_dot(format.dot(device::best_isa()), panel, x, 5)), 0u);
  EXPECT_GT(count_differences(expected, run_dot(&dot_plain<Wrong>, panel, x, 5)), 0u);
  std::vector<float> decoded(1024);
  std::vector<float> wrong(1024);
  format.decode_row(panel.rows(), 1024, decoded.data());
  decode_row_plain<Wrong>(panel.rows(), 1024, wrong.data());
  EXPECT_GT(count_differences(decoded, wrong), 0u);
}

TEST(Mutants, SwappedNibbles) {
  expect_rejected<Mutant<Q4KLayout, SwappedNibbles>>(FormatId::Q4_K);
}
TEST(Mutants, WrongScalePacking) {
  expect_rejected<Mutant<Q4KLayout, WrongScalePacking>>(FormatId::Q4_K);
}
TEST(Mutants, MinimumsAdded) { expect_rejected<Mutant<Q4KLayout, MinimumsAdded>>(FormatId::Q4_K); }
TEST(Mutants, UnsignedScales) {
  expect_rejected<Mutant<Q6KLayout, UnsignedScales>>(FormatId::Q6_K);
}

/// Tiles that take off another offset than their bytes have, scaled and not.
struct WrongOffsetQ6K : Q6KTile {
  static constexpr int kOffset = Q6KTile::kOffset - 1;
};
struct WrongOffsetQ40 : Q40Tile {
  static constexpr int kOffset = Q40Tile::kOffset - 1;
};
/// Minimums of sub-blocks 2 i + 1 and 2 i, the wrong way round.
struct SwappedMinimums : Q4KTile {
  template <class L, class Sink>
  struct Swapping {
    Sink& sink;
    void scales(typename L::F w, typename L::F v) { sink.scales(w, v); }
    void sub(size_t j, const typename L::I (&bytes)[8], typename L::I scale) {
      sink.sub(j, bytes, scale);
    }
    void pair(size_t i, typename L::I pairs) {
      sink.pair(i, L::or_(L::template shift_right<16>(pairs), L::template shift_right<-16>(pairs)));
    }
  };
  template <class L, class Sink>
  static void unpack(const uint8_t* rows, size_t stride, Sink& sink) {
    Swapping<L, Sink> swapping{sink};
    Q4KTile::unpack<L>(rows, stride, swapping);
  }
};

template <class T>
void dot_emulated(const PanelDot& task) {
  dot_tiles<T, LanesEmulated>(task);
}

template <class Right, class Wrong>
void expect_tile_rejected(FormatId id) {
  const Format& format = freehold::quant::format(id);
  base::RandomStream random(24);
  const TestPanel panel = make_panel(format, 20, 768, Fill::kPlausible, random);
  for (const size_t columns : {size_t{2}, size_t{7}}) {
    const TestActivations x = make_activations(format, columns, 768, false, random);
    const std::vector<float> expected = run_dot(format.dot_ref, panel, x, 20);
    EXPECT_EQ(count_differences(expected, run_dot(&dot_emulated<Right>, panel, x, 20)), 0u);
    EXPECT_GT(count_differences(expected, run_dot(&dot_emulated<Wrong>, panel, x, 20)), 0u);
  }
}

TEST(Mutants, WrongOffsetOfTiles) {
  expect_tile_rejected<Q6KTile, WrongOffsetQ6K>(FormatId::Q6_K);
  expect_tile_rejected<Q40Tile, WrongOffsetQ40>(FormatId::Q4_0);
}
TEST(Mutants, SwappedMinimumsOfTiles) {
  expect_tile_rejected<Q4KTile, SwappedMinimums>(FormatId::Q4_K);
}

/// How a mutant adds up the blocks of a Q8_0 row.
enum class Chain { kRight, kTwoAccumulators, kUnfused, kScalesFirst };

template <Chain kind>
void dot_q8_0(const PanelDot& task) {
  PlainBlock<Q80Layout> block;
  for (size_t row = 0; row < task.row_count; ++row) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(task.rows + row * task.row_bytes);
    for (size_t column = 0; column < task.x.columns; ++column) {
      float chain[2] = {0, 0};
      for (size_t b = 0; b < task.x.width / 32; ++b) {
        Q80Layout::unpack(bytes + b * 34, block);
        int32_t sum = 0;
        for (size_t i = 0; i < 32; ++i) {
          sum += block.value[i] *
                 static_cast<int32_t>(task.x.q[column * task.x.q_stride + b * 32 + i]);
        }
        const float d = task.x.d[column * task.x.d_stride + b];
        const float t = static_cast<float>(sum) * block.w;
        float& to = chain[kind == Chain::kTwoAccumulators ? b % 2 : 0];
        if (kind == Chain::kUnfused) {
          to = t * d + to;
        } else if (kind == Chain::kScalesFirst) {
          to = std::fma(static_cast<float>(sum), block.w * d, to);
        } else {
          to = std::fma(t, d, to);
        }
      }
      task.y[column * task.y_stride + row] = chain[0] + chain[1];
    }
  }
}

TEST(Mutants, ChainsInAnotherOrderOrUnfused) {
  const Format& format = freehold::quant::format(FormatId::Q8_0);
  base::RandomStream random(22);
  const TestPanel panel = make_panel(format, 20, 1024, Fill::kPlausible, random);
  const TestActivations x = make_activations(format, 3, 1024, false, random);
  const std::vector<float> expected = run_dot(format.dot_ref, panel, x, 20);
  EXPECT_EQ(count_differences(expected, run_dot(&dot_q8_0<Chain::kRight>, panel, x, 20)), 0u);
  for (const PanelDotFn wrong : {&dot_q8_0<Chain::kTwoAccumulators>, &dot_q8_0<Chain::kUnfused>,
                                 &dot_q8_0<Chain::kScalesFirst>}) {
    EXPECT_GT(count_differences(expected, run_dot(wrong, panel, x, 20)), 0u);
  }
}

/// Section 2 with another number of accumulators.
template <size_t kLanes>
void dot_f32_lanes(const PanelDot& task) {
  for (size_t row = 0; row < task.row_count; ++row) {
    const std::byte* weights = task.rows + row * task.row_bytes;
    for (size_t column = 0; column < task.x.columns; ++column) {
      float lanes[kLanes] = {};
      for (size_t i = 0; i < task.x.width; ++i) {
        lanes[i % kLanes] = std::fma(base::load_le<float>(weights + 4 * i),
                                     task.x.x[column * task.x.x_stride + i], lanes[i % kLanes]);
      }
      for (size_t half = kLanes / 2; half > 0; half /= 2) {
        for (size_t l = 0; l < half; ++l) lanes[l] += lanes[l + half];
      }
      task.y[column * task.y_stride + row] = lanes[0];
    }
  }
}

TEST(Mutants, OtherNumbersOfAccumulators) {
  const Format& format = freehold::quant::format(FormatId::F32);
  base::RandomStream random(23);
  const TestPanel panel = make_panel(format, 9, 515, Fill::kPlausible, random);
  const TestActivations x = make_activations(format, 3, 515, false, random);
  const std::vector<float> expected = run_dot(format.dot_ref, panel, x, 9);
  EXPECT_EQ(count_differences(expected, run_dot(&dot_f32_lanes<32>, panel, x, 9)), 0u);
  for (const PanelDotFn wrong :
       {&dot_f32_lanes<1>, &dot_f32_lanes<2>, &dot_f32_lanes<16>, &dot_f32_lanes<64>}) {
    EXPECT_GT(count_differences(expected, run_dot(wrong, panel, x, 9)), 0u);
  }
}

// A tail leaves the accumulators beyond it alone: products that underflow to -0 make every
// accumulator -0, and a padded fma with zeros would turn those beyond the tail into +0.
TEST(FloatTail, LeavesNegativeZerosAlone) {
  const Format& format = freehold::quant::format(FormatId::F32);
  const size_t width = 32 + 5;
  std::vector<float> weights(width, -0x1p-140f);
  std::vector<float> x(width, 0x1p-20f);
  for (const PanelDotFn path : {format.dot_ref, format.dot_emulated, format.dot(device::best_isa()),
                                format.dot(std::min(device::best_isa(), device::Isa::kAvx2))}) {
    PanelDot task;
    task.rows = reinterpret_cast<const std::byte*>(weights.data());
    task.row_bytes = width * sizeof(float);
    task.row_count = 1;
    task.x.columns = 1;
    task.x.width = width;
    task.x.x = x.data();
    task.x.x_stride = width;
    float y = 1;
    task.y = &y;
    task.y_stride = 1;
    path(task);
    EXPECT_EQ(std::bit_cast<uint32_t>(y), 0x80000000u);
  }
  // The mutant: the same row padded to 64 with zeros.
  weights.resize(64, 0.0f);
  x.resize(64, 0.0f);
  float lanes[32] = {};
  for (size_t i = 0; i < 64; ++i) lanes[i % 32] = std::fma(weights[i], x[i], lanes[i % 32]);
  EXPECT_NE(std::bit_cast<uint32_t>(sum_lanes_plain(lanes)), 0x80000000u);
}

}  // namespace
}  // namespace freehold::quant
