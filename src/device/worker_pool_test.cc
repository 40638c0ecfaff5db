#include "device/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cfenv>
#include <cstdio>
#include <optional>
#include <set>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "device/float_environment.h"
#include "device/thread.h"

namespace freehold::device {
namespace {

std::unique_ptr<WorkerPool> pool_of(size_t threads) {
  return MUST(WorkerPool::create({.threads = threads}));
}

// Runs `regions` regions of changing size; true where each task ran exactly once and its writes are
// seen after run() without further synchronisation.
bool every_task_once(WorkerPool& pool, int regions, size_t tasks_max) {
  base::RandomStream random(7);
  std::vector<uint32_t> runs(tasks_max);
  std::vector<uint32_t> expected(tasks_max);
  for (int region = 0; region < regions; ++region) {
    const size_t tasks = random.below(static_cast<uint32_t>(tasks_max + 1));
    pool.run(tasks, [&](size_t task, size_t) { ++runs[task]; });
    for (size_t task = 0; task < tasks; ++task) ++expected[task];
    if (runs != expected) return false;
  }
  return true;
}

TEST(WorkerPool, EveryTaskOnceForEveryNumberOfThreads) {
  for (const size_t threads : {1u, 2u, 3u, 7u, 16u}) {
    const auto pool = pool_of(threads);
    EXPECT_EQ(pool->size(), threads);
    EXPECT_TRUE(every_task_once(*pool, 300, 40)) << threads;
  }
}

// A worker that was told its next task computes exactly that one next, and nobody else does.
TEST(WorkerPool, TheNextTaskIsTheNextTask) {
  for (const size_t threads : {1u, 2u, 3u, 7u}) {
    const auto pool = pool_of(threads);
    base::RandomStream random(8);
    size_t told = 0;
    for (int region = 0; region < 200; ++region) {
      const size_t tasks = random.below(100);
      std::vector<uint32_t> runs(tasks);
      std::vector<std::optional<size_t>> promised(threads);
      std::vector<uint32_t> kept(threads);
      std::atomic<size_t> broken{0};
      pool->run_ahead(tasks, [&](size_t task, std::optional<size_t> next, size_t worker) {
        ++runs[task];
        if (promised[worker].has_value()) {
          ++kept[worker];
          if (*promised[worker] != task) ++broken;
        }
        promised[worker] = next;
      });
      EXPECT_EQ(broken, 0u);
      for (const uint32_t count : runs) EXPECT_EQ(count, 1u);
      for (size_t worker = 0; worker < threads; ++worker) {
        EXPECT_FALSE(promised[worker].has_value());
        told += kept[worker];
      }
    }
    EXPECT_GT(told, 0u) << threads;
  }
}

// Few tasks: nobody holds two while another has none.
TEST(WorkerPool, FewTasksAreNotHeldBack) {
  const auto pool = pool_of(4);
  std::atomic<size_t> told{0};
  pool->run_ahead(8, [&](size_t, std::optional<size_t> next, size_t) {
    if (next.has_value()) ++told;
  });
  EXPECT_EQ(told, 0u);
}

TEST(WorkerPool, ManyTinyRegions) {
  const auto pool = pool_of(4);
  uint64_t sum = 0;
  std::vector<uint64_t> parts(3);
  for (int region = 0; region < 20000; ++region) {
    pool->run(parts.size(), [&](size_t task, size_t) { parts[task] += task + 1; });
  }
  for (const uint64_t part : parts) sum += part;
  EXPECT_EQ(sum, 20000u * 6u);
}

TEST(WorkerPool, WakesWorkersThatSleep) {
  const auto pool = pool_of(3);
  base::SystemClock clock;
  for (int round = 0; round < 20; ++round) {
    const int64_t until = clock.monotonic_ns() + 2'000'000;  // Far longer than the spin.
    while (clock.monotonic_ns() < until) {
    }
    EXPECT_TRUE(every_task_once(*pool, 5, 9));
  }
}

// Two tasks that each wait for the other cannot end on one thread: the pool really computes in
// parallel, also when its workers were asleep.
TEST(WorkerPool, TasksOfARegionRunAtTheSameTime) {
  const auto pool = pool_of(2);
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> arrived{0};
    pool->run(2, [&](size_t, size_t) {
      arrived.fetch_add(1);
      while (arrived.load() < 2) {
      }
    });
    EXPECT_EQ(arrived.load(), 2);
  }
}

TEST(WorkerPool, WorkerNumbersAreDistinctAndInRange) {
  const auto pool = pool_of(5);
  // Each worker counts in a place of its own; a shared number would lose counts (and TSan sees it).
  std::vector<uint64_t> counts(5);
  for (int region = 0; region < 500; ++region) {
    pool->run(64, [&](size_t, size_t worker) { ++counts.at(worker); });
  }
  uint64_t all = 0;
  for (const uint64_t count : counts) all += count;
  EXPECT_EQ(all, 500u * 64u);
}

TEST(WorkerPool, NoTasksIsNoWork) {
  const auto pool = pool_of(2);
  bool called = false;
  pool->run(0, [&](size_t, size_t) { called = true; });
  EXPECT_FALSE(called);
}

TEST(WorkerPool, MorePoolsAndManyStartsAndStops) {
  for (int round = 0; round < 30; ++round) {
    const auto first = pool_of(3);
    const auto second = pool_of(2);
    EXPECT_TRUE(every_task_once(*first, 3, 10));
    EXPECT_TRUE(every_task_once(*second, 3, 10));
  }
}

TEST(WorkerPool, PinnedWorkersCompute) {
  const auto pool = MUST(WorkerPool::create({.threads = 3, .pin = true}));
  EXPECT_TRUE(every_task_once(*pool, 50, 20));
}

TEST(WorkerPool, DefaultIsPhysicalCores) {
  EXPECT_EQ(MUST(WorkerPool::create({}))->size(), physical_cores());
}

TEST(WorkerPool, AbsurdNumbersAreRefused) {
  const auto pool = WorkerPool::create({.threads = 5000});
  ASSERT_FALSE(pool.ok());
  EXPECT_EQ(pool.error().code, ErrorCode::kUsage);
}

TEST(WorkerPoolDeathTest, NestedUseIsABug) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        const auto pool = pool_of(2);
        pool->run(4, [&](size_t, size_t) { pool->run(4, [](size_t, size_t) {}); });
      },
      "CHECK failed");
}

TEST(FloatEnvironment, OtherModesAreNoticed) {
  EXPECT_TRUE(float_environment_is_exact());
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    ASSERT_EQ(std::fesetround(mode), 0);
    EXPECT_FALSE(float_environment_is_exact()) << mode;
    const auto pool = WorkerPool::create({.threads = 2});
    std::fesetround(FE_TONEAREST);
    EXPECT_FALSE(pool.ok());
  }
  EXPECT_TRUE(float_environment_is_exact());
}

TEST(Thread, RunsJoinsAndMoves) {
  int value = 0;
  {
    Thread first = MUST(Thread::create("a name longer than fits", [&value] { value = 1; }));
    Thread second = std::move(first);
    second.join();
    EXPECT_EQ(value, 1);
    second = MUST(Thread::create("again", [&value] { value = 2; }));
  }
  EXPECT_EQ(value, 2);
}

// Not assertions about speed, which depends on the machine's other work: figures in the log.
// `alone`: empty tasks, mostly claimed by the caller. `together`: every worker must take part.
TEST(WorkerPool, ReportsTheCostOfARegion) {
  base::SystemClock clock;
  const size_t cores = physical_cores();
  const auto pool = pool_of(cores);
  constexpr int kRegions = 2000;
  const int64_t start = clock.monotonic_ns();
  for (int region = 0; region < kRegions; ++region) pool->run(cores, [](size_t, size_t) {});
  const int64_t middle = clock.monotonic_ns();
  for (int region = 0; region < kRegions; ++region) {
    std::atomic<size_t> arrived{0};
    pool->run(cores, [&](size_t, size_t) {
      arrived.fetch_add(1);
      while (arrived.load() < cores) {
      }
    });
  }
  const int64_t end = clock.monotonic_ns();
  const auto microseconds = [](int64_t ns) { return static_cast<double>(ns) / 1e3 / kRegions; };
  std::printf("[  figure  ] %zu threads: %.2f us a region alone, %.2f us together\n", cores,
              microseconds(middle - start), microseconds(end - middle));
}

}  // namespace
}  // namespace freehold::device
