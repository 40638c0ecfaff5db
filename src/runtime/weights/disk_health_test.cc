// A simulated machine: a disk of a given rate fills a ring, a computation of a given rate empties
// it. Only the disk's own slowing down may be called throttling.

#include "runtime/weights/disk_health.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "base/clock.h"

namespace freehold::runtime {
namespace {

constexpr double kPanel = 4e6;
constexpr int64_t kSecond_ns = 1'000'000'000;

/// Runs for `seconds` with rates in bytes per second at each moment; tells `health` what a ring of
/// `slots` panels would. The mutant watches bytes alone: it calls every window the disk's.
class Machine {
 public:
  using Rate = std::function<double(double second)>;
  explicit Machine(bool mutant = false) : mutant_(mutant) {}

  void run(double seconds, const Rate& disk, const Rate& compute, size_t slots = 16) {
    const double end = now() + seconds;
    if (!told_) tell(false);
    while (now() < end) {
      clock_.advance(500'000);
      const double at = now();
      if (ready_ < slots) read_ += disk(at) * 5e-4;
      while (read_ >= kPanel && ready_ < slots) {
        read_ -= kPanel;
        ++ready_;
        health_.on_read(clock_.monotonic_ns(), static_cast<uint64_t>(kPanel));
      }
      computed_ += ready_ > 0 ? compute(at) * 5e-4 : 0;
      while (computed_ >= kPanel && ready_ > 0) {
        computed_ -= kPanel;
        --ready_;
      }
      const size_t enough = std::min(slots, std::max<size_t>(2, slots / 4));
      tell(slots - ready_ >= enough);
    }
  }
  void sleep(double seconds) {
    tell(false);
    clock_.advance(static_cast<int64_t>(seconds * kSecond_ns));
  }
  DiskHealth::Report report() const { return health_.report(); }

 private:
  double now() { return static_cast<double>(clock_.monotonic_ns()) * 1e-9; }
  void tell(bool busy) {
    busy = busy || mutant_;
    if (told_ && busy == busy_) return;
    told_ = true;
    busy_ = busy;
    health_.on_busy(clock_.monotonic_ns(), busy);
  }

  base::SimulatedClock clock_;
  DiskHealth health_;
  bool mutant_;
  bool told_ = false;
  bool busy_ = false;
  size_t ready_ = 0;
  double read_ = 0;
  double computed_ = 0;
};

Machine::Rate always(double rate) {
  return [rate](double) { return rate; };
}
Machine::Rate falls(double at, double from, double to) {
  return [=](double second) { return second < at ? from : to; };
}
constexpr double kFast = 2e9;

TEST(DiskHealth, ASteadyDiskHasItsRate) {
  Machine machine;
  machine.run(30, always(1e9), always(5e9));
  const auto report = machine.report();
  EXPECT_GE(report.windows, 13u);
  EXPECT_NEAR(report.median, 1e9, 2e7);
  EXPECT_NEAR(report.least, 1e9, 2e7);
  EXPECT_NEAR(report.most, 1e9, 2e7);
  EXPECT_FALSE(report.throttled);
  EXPECT_EQ(report.throttled_seconds, 0);
}

TEST(DiskHealth, ADiskThatSlowsDownIsThrottledAfterSixSecondsAndNotBefore) {
  Machine machine;
  machine.run(20, always(kFast), always(5e9));
  machine.run(5, always(0.3 * kFast), always(5e9));
  EXPECT_FALSE(machine.report().throttled);
  machine.run(4, always(0.3 * kFast), always(5e9));
  EXPECT_TRUE(machine.report().throttled);
  machine.run(11, always(0.3 * kFast), always(5e9));
  EXPECT_NEAR(machine.report().throttled_seconds, 20, 3);
  // It recovers, and what has been is still told.
  machine.run(6, always(0.9 * kFast), always(5e9));
  EXPECT_FALSE(machine.report().throttled);
  EXPECT_NEAR(machine.report().throttled_seconds, 21, 4);
}

TEST(DiskHealth, APassingDipIsNone) {
  Machine machine;
  for (int i = 0; i < 8; ++i) {
    machine.run(6, always(kFast), always(5e9));
    machine.run(3, always(0.3 * kFast), always(5e9));
  }
  EXPECT_EQ(machine.report().throttled_seconds, 0);
}

TEST(DiskHealth, ADiskThatRestsBecauseComputingIsTheWallIsNotThrottled) {
  const auto story = [](bool mutant) {
    Machine machine(mutant);
    machine.run(20, always(kFast), always(5e9));
    // A long prompt: the same disk, asked for a fifth of what it can do.
    machine.run(40, always(kFast), always(0.2 * kFast));
    machine.run(10, always(kFast), always(5e9));
    return machine.report();
  };
  EXPECT_EQ(story(false).throttled_seconds, 0);
  EXPECT_NEAR(story(false).least, kFast, 0.05 * kFast);
  // The control: without the rule about busy windows the same story is called throttling.
  EXPECT_GT(story(true).throttled_seconds, 20);
}

TEST(DiskHealth, APauseBetweenRequestsIsNotThrottled) {
  Machine machine;
  machine.run(20, always(kFast), always(5e9));
  machine.sleep(60);
  machine.run(3, always(kFast), always(5e9));
  machine.sleep(9);
  machine.run(10, always(kFast), always(5e9));
  EXPECT_EQ(machine.report().throttled_seconds, 0);
}

TEST(DiskHealth, ComputingAndReadingInTurnsIsNotThrottledWhateverTheirShares) {
  for (const double share : {0.1, 0.3, 0.5, 0.7, 0.79, 0.81, 0.9, 0.99}) {
    Machine machine;
    machine.run(10, always(kFast), always(5e9));
    // In every 100 ms computing is faster than the disk for a part, then lags behind it.
    machine.run(60, always(kFast), [share](double second) {
      const double part = second * 10 - static_cast<double>(static_cast<int64_t>(second * 10));
      return part < share ? 5e9 : 1e6;
    });
    EXPECT_EQ(machine.report().throttled_seconds, 0) << share;
  }
}

TEST(DiskHealth, ComputingJustSlowerOrFasterThanTheDiskIsNotThrottled) {
  for (const double share : {0.4, 0.7, 0.95, 1.0, 1.05, 1.5}) {
    for (const size_t slots : {1u, 2u, 4u, 16u}) {
      Machine machine;
      machine.run(10, always(kFast), always(5e9), slots);
      machine.run(40, always(kFast), always(share * kFast), slots);
      EXPECT_EQ(machine.report().throttled_seconds, 0) << share << ' ' << slots;
    }
  }
}

TEST(DiskHealth, AThrottledDiskIsSeenWhereComputingWasTheWallBefore) {
  Machine machine;
  // Computing takes 1 GB/s of a disk of 2; then the disk falls to a tenth.
  machine.run(60, falls(30, kFast, 0.1 * kFast), always(0.5 * kFast));
  EXPECT_TRUE(machine.report().throttled);
  EXPECT_NEAR(machine.report().throttled_seconds, 30, 4);
}

TEST(DiskHealth, ADiskThatHangsCountsAsOneLongWindow) {
  DiskHealth health;
  int64_t now = 0;
  health.on_busy(now, true);
  for (int i = 0; i < 1000; ++i) health.on_read(now += 10'000'000, 10'000'000);
  EXPECT_FALSE(health.report().throttled);
  health.on_read(now += 15 * kSecond_ns, 10'000'000);
  EXPECT_TRUE(health.report().throttled);
  EXPECT_NEAR(health.report().throttled_seconds, 15, 0.1);
}

TEST(DiskHealth, ALongRunKeepsABoundedHistory) {
  DiskHealth health;
  int64_t now = 0;
  health.on_busy(now, true);
  for (int i = 0; i < 5000; ++i) health.on_read(now += DiskHealth::kWindow_ns, 2'000'000'000);
  EXPECT_EQ(health.report().windows, DiskHealth::kWindowsKept);
  EXPECT_NEAR(health.report().median, 1e9, 1e6);
}

}  // namespace
}  // namespace freehold::runtime
