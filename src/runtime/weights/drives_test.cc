#include "runtime/weights/drives.h"

#include <gtest/gtest.h>

namespace freehold::runtime {
namespace {

TEST(Drives, AlternateWhereTheyAreEquallyFast) {
  Drives drives(3);
  for (int i = 0; i < 12; ++i) {
    const size_t chosen = drives.choose();
    EXPECT_EQ(chosen, static_cast<size_t>(i % 3));
    drives.started(chosen);
    drives.finished(chosen);
  }
}

TEST(Drives, ASlowDriveGetsFewerReads) {
  Drives drives(2);
  size_t reads[2] = {0, 0};
  // Drive 0 finishes one read for every eight of drive 1; at most eight are in flight.
  size_t in_flight[2] = {0, 0};
  for (int tick = 0; tick < 800; ++tick) {
    while (in_flight[0] + in_flight[1] < 8) {
      const size_t chosen = drives.choose();
      drives.started(chosen);
      ++in_flight[chosen];
      ++reads[chosen];
    }
    const size_t done = tick % 9 == 0 ? 0 : 1;
    if (in_flight[done] == 0) continue;
    drives.finished(done);
    --in_flight[done];
  }
  EXPECT_GT(reads[1], 5 * reads[0]);
}

TEST(Drives, ThreeFailuresInARowGiveADriveUpAndTheLastStays) {
  Drives drives(2);
  for (int round = 0; round < 5; ++round) {
    EXPECT_FALSE(drives.failed(0));
    EXPECT_FALSE(drives.failed(0));
    drives.succeeded(0);
  }
  EXPECT_FALSE(drives.failed(0));
  EXPECT_FALSE(drives.failed(0));
  EXPECT_TRUE(drives.failed(0));
  EXPECT_FALSE(drives.is_live(0));
  EXPECT_FALSE(drives.failed(0));
  EXPECT_EQ(drives.live(), 1u);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(drives.failed(1));
  EXPECT_TRUE(drives.is_live(1));
  EXPECT_EQ(drives.choose(1), 1u);
}

TEST(Drives, AReadThatFailedGoesElsewhereWhereThereIsElsewhere) {
  Drives drives(2);
  EXPECT_EQ(drives.choose(0), 1u);
  drives.started(1);
  EXPECT_EQ(drives.choose(0), 1u);
  drives.drop(1);
  EXPECT_EQ(drives.choose(0), 0u);
}

}  // namespace
}  // namespace freehold::runtime
