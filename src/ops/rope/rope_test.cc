#include "ops/rope/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ops/op_testing.h"

namespace freehold::ops {
namespace {

struct Tables {
  std::vector<float> cosine, sine;
};

Tables random_angles(base::RandomStream& random, size_t pairs) {
  Tables tables;
  for (size_t i = 0; i < pairs; ++i) {
    const float angle = random.uniform() * 100;
    tables.cosine.push_back(std::cos(angle));
    tables.sine.push_back(std::sin(angle));
  }
  return tables;
}

TEST(Rope, FastPathsEqualTheReference) {
  base::RandomStream random(1);
  for (size_t round = 0; round < 300; ++round) {
    Rope task;
    task.heads = 1 + random.below(9);
    task.rotary_dim = 2 * random.below(100);
    task.head_dim = task.rotary_dim + random.below(20);
    task.pairing = round % 2 == 0 ? RopePairing::kHalves : RopePairing::kInterleaved;
    const Tables tables = random_angles(random, task.rotary_dim / 2);
    task.cosine = tables.cosine.data();
    task.sine = tables.sine.data();
    const std::vector<float> x = awkward_row(random, task.heads * task.head_dim);
    std::vector<float> want = x;
    task.x = want.data();
    rope_ref(task);
    for (const auto& [name, run] : fast_paths(&OpTable::rope)) {
      std::vector<float> got = x;
      task.x = got.data();
      run(task);
      ASSERT_EQ(first_difference(got, want), -1) << name << " rotary " << task.rotary_dim;
    }
  }
}

TEST(Rope, PairsAreWhatTheHeaderSays) {
  const float cosine[] = {0, 1};
  const float sine[] = {1, 0};  // A quarter turn of the first pair, none of the second.
  std::vector<float> x = {1, 2, 3, 4, 5};
  Rope task{x.data(), 1, 5, 4, RopePairing::kInterleaved, cosine, sine};
  rope_ref(task);
  EXPECT_EQ(x, (std::vector<float>{-2, 1, 3, 4, 5}));
  x = {1, 2, 3, 4, 5};
  task.pairing = RopePairing::kHalves;
  rope_ref(task);
  EXPECT_EQ(x, (std::vector<float>{-3, 2, 1, 4, 5}));
}

// Mutants: the pairing swapped, the turn the other way, and no fma.
TEST(Rope, MutantsAreSeen) {
  base::RandomStream random(2);
  const Tables tables = random_angles(random, 32);
  const std::vector<float> x = plain_row(random, 64);
  std::vector<float> want = x, swapped = x, backwards = x, unfused = x;
  rope_ref(
      {want.data(), 1, 64, 64, RopePairing::kHalves, tables.cosine.data(), tables.sine.data()});
  rope_ref({swapped.data(), 1, 64, 64, RopePairing::kInterleaved, tables.cosine.data(),
            tables.sine.data()});
  for (size_t i = 0; i < 32; ++i) {
    const float c = tables.cosine[i];
    const float s = tables.sine[i];
    const float xc = x[i] * c, ys = x[i + 32] * s, yc = x[i + 32] * c, xs = x[i] * s;
    unfused[i] = xc - ys;
    unfused[i + 32] = yc + xs;
    backwards[i] = std::fma(x[i], c, ys);
    backwards[i + 32] = std::fma(x[i + 32], c, -xs);
  }
  EXPECT_GE(first_difference(want, swapped), 0);
  EXPECT_GE(first_difference(want, backwards), 0);
  EXPECT_GE(first_difference(want, unfused), 0);
}

}  // namespace
}  // namespace freehold::ops
