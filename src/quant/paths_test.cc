// Every path of every format equals the reference bit for bit.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "device/isa.h"
#include "quant/format.h"
#include "quant/test_panels.h"

namespace freehold::quant {
namespace {

struct Path {
  const char* name;
  PanelDotFn dot;
};

/// The fast paths of a format that this machine can run.
std::vector<Path> paths_of(const Format& format) {
  std::vector<Path> paths;
  if (format.dot_emulated != nullptr) paths.push_back({"emulated", format.dot_emulated});
  const device::Isa best = device::best_isa();
  if (format.dot_avx2 != nullptr && best >= device::Isa::kAvx2) {
    paths.push_back({"avx2", format.dot_avx2});
  }
  if (format.dot_avx512 != nullptr && best >= device::Isa::kAvx512) {
    paths.push_back({"avx512vnni", format.dot_avx512});
  }
  if (format.dot_amx != nullptr && best >= device::Isa::kAmx) {
    paths.push_back({"amx", format.dot_amx});
  }
  return paths;
}

struct Shape {
  size_t rows;
  size_t columns;
  size_t blocks;
  Fill fill;
  bool extreme;
};

size_t width_of(const Format& format, size_t blocks, base::RandomStream& random) {
  if (format.group == ActivationGroup::kFloat) return 1 + random.below(200);
  return blocks * format.block_values;
}

void expect_equal(const Format& format, const Shape& shape, uint32_t seed) {
  base::RandomStream random(seed);
  const size_t width = width_of(format, shape.blocks, random);
  const TestPanel panel = make_panel(format, shape.rows, width, shape.fill, random);
  const TestActivations activations =
      make_activations(format, shape.columns, width, shape.extreme, random);
  const size_t y_stride = shape.rows + random.below(5);
  const std::vector<float> expected = run_dot(format.dot_ref, panel, activations, y_stride);
  for (const Path& path : paths_of(format)) {
    const std::vector<float> got = run_dot(path.dot, panel, activations, y_stride);
    EXPECT_EQ(count_differences(expected, got), 0u)
        << format.name << " " << path.name << ": rows " << shape.rows << " columns "
        << shape.columns << " width " << width << " fill " << static_cast<int>(shape.fill)
        << " extreme " << shape.extreme << " seed " << seed;
  }
}

class Paths : public testing::TestWithParam<const Format*> {};

TEST_P(Paths, EqualTheReferenceOnRandomShapes) {
  base::RandomStream random(7, static_cast<uint32_t>(GetParam()->id));
  for (uint32_t round = 0; round < 40; ++round) {
    Shape shape;
    shape.rows = 1 + random.below(50);
    shape.columns = random.below(2) == 0 ? 1 + random.below(9) : 1 + random.below(70);
    shape.blocks = 1 + random.below(GetParam()->block_values == 32 ? 20 : 6);
    shape.fill = kFills[random.below(6)];
    shape.extreme = random.below(4) == 0;
    expect_equal(*GetParam(), shape, round);
  }
}

TEST_P(Paths, EqualTheReferenceOnEveryFill) {
  for (const Fill fill : kFills) {
    for (const bool extreme : {false, true}) {
      expect_equal(*GetParam(), {19, 11, 3, fill, extreme}, 100);
      expect_equal(*GetParam(), {35, 1, 9, fill, extreme}, 101);
    }
  }
}

std::vector<const Format*> formats() {
  std::vector<const Format*> rows;
  for (const Format& row : all_formats()) rows.push_back(&row);
  return rows;
}

INSTANTIATE_TEST_SUITE_P(Every, Paths, testing::ValuesIn(formats()),
                         [](const auto& row) { return std::string(row.param->name); });

}  // namespace
}  // namespace freehold::quant
