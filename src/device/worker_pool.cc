#include "device/worker_pool.h"

#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <string>
#include <vector>

#include "base/check.h"
#include "device/float_environment.h"
#include "device/spin.h"
#include "device/thread.h"
#include "device/topology.h"

// How a region runs. The caller writes what is to be done, then stores the number of tasks into
// `unclaimed`. Whoever decrements it from a positive value owns one task. A worker that comes late
// cannot do harm: its claim either fails, or is a valid claim on whatever region is running by
// then, and a region cannot end while one of its tasks is claimed but not reported. So nobody waits
// for workers that are asleep, and the description is only read by owners of a claim.
//
// Waiting is in two steps: spin, then sleep on a futex. Both sides of each pair (flag, then look
// again; work, then look at the flag) are sequentially consistent, so no wake-up is lost.

namespace freehold::device {

namespace {

constexpr size_t kThreadsMax = 1024;  // More is a typing error, not a machine.

// Pauses before a worker sleeps. A pause takes 10 to 60 ns on the processors of the last ten years,
// so this is about 10 to 50 us: longer than the gap between two regions of a pass, and short
// beside a time slice.
constexpr int kSpins = 800;

constexpr size_t kCacheLine = 64;

void sleep_while(const std::atomic<uint32_t>& word, uint32_t seen) {
  ::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, seen, nullptr, nullptr, 0);
}

void wake_all(std::atomic<uint32_t>& word) {
  word.fetch_add(1, std::memory_order_seq_cst);
  ::syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t));  // futex(2) wants 32 bits.

}  // namespace

struct WorkerPool::State {
  // The region: written by the caller while no task is claimed, read by owners of a claim.
  Erased work = nullptr;
  void* context = nullptr;
  int64_t tasks = 0;
  bool ahead = false;
  int64_t plenty = 0;  // Tasks left from which on a worker may hold two. Set before threads start.

  alignas(kCacheLine) std::atomic<int64_t> unclaimed{0};   // Below zero after failed claims.
  alignas(kCacheLine) std::atomic<int64_t> unfinished{0};  // Tasks not reported yet.
  alignas(kCacheLine) std::atomic<uint32_t> work_signal{0};
  std::atomic<uint32_t> sleepers{0};
  alignas(kCacheLine) std::atomic<uint32_t> done_signal{0};
  std::atomic<bool> caller_sleeps{false};
  std::atomic<bool> busy{false};
  std::atomic<bool> stopping{false};
  std::vector<Thread> threads;

  std::optional<size_t> claim();
  void compute(size_t worker);
  bool something_to_do() const;
  void wait_for_work();
  void work_until_stopped(size_t worker);
  void wait_until_finished();
  void stop();
};

std::optional<size_t> WorkerPool::State::claim() {
  if (unclaimed.load(std::memory_order_relaxed) <= 0) return std::nullopt;
  const int64_t left = unclaimed.fetch_sub(1, std::memory_order_acq_rel);
  if (left <= 0) return std::nullopt;
  return static_cast<size_t>(tasks - left);
}

// Claims and computes tasks until none is left, then reports them together. With `ahead` the next
// task is claimed before the present one is computed, while there is plenty for everyone.
void WorkerPool::State::compute(size_t worker) {
  int64_t computed = 0;
  std::optional<size_t> task = claim();
  while (task.has_value()) {
    std::optional<size_t> next;
    if (ahead && unclaimed.load(std::memory_order_relaxed) > plenty) next = claim();
    work(context, *task, next, worker);
    ++computed;
    task = next.has_value() ? next : claim();
  }
  if (computed == 0) return;
  if (unfinished.fetch_sub(computed, std::memory_order_seq_cst) != computed) return;
  if (caller_sleeps.load(std::memory_order_seq_cst)) wake_all(done_signal);
}

bool WorkerPool::State::something_to_do() const {
  return unclaimed.load(std::memory_order_seq_cst) > 0 || stopping.load(std::memory_order_seq_cst);
}

void WorkerPool::State::wait_for_work() {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (unclaimed.load(std::memory_order_relaxed) > 0) return;
    pause_briefly();
  }
  // One sleep only: a worker that wakes too late for a region spins again, to be there for the
  // next.
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  const uint32_t seen = work_signal.load(std::memory_order_seq_cst);
  if (!something_to_do()) sleep_while(work_signal, seen);
  sleepers.fetch_sub(1, std::memory_order_seq_cst);
}

void WorkerPool::State::work_until_stopped(size_t worker) {
  CHECK(float_environment_is_exact());
  while (!stopping.load(std::memory_order_acquire)) {
    compute(worker);
    wait_for_work();
  }
}

void WorkerPool::State::wait_until_finished() {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (unfinished.load(std::memory_order_acquire) == 0) return;
    pause_briefly();
  }
  caller_sleeps.store(true, std::memory_order_seq_cst);
  while (true) {
    const uint32_t seen = done_signal.load(std::memory_order_seq_cst);
    if (unfinished.load(std::memory_order_seq_cst) == 0) break;
    sleep_while(done_signal, seen);
  }
  caller_sleeps.store(false, std::memory_order_relaxed);
}

void WorkerPool::State::stop() {
  stopping.store(true, std::memory_order_seq_cst);
  wake_all(work_signal);
  threads.clear();  // Joins each.
}

WorkerPool::WorkerPool(std::unique_ptr<State> state) : state_(std::move(state)) {}

WorkerPool::~WorkerPool() {
  if (state_) state_->stop();
}

Result<std::unique_ptr<WorkerPool>> WorkerPool::create(Options options) {
  if (options.threads > kThreadsMax) {
    return Error{ErrorCode::kUsage,
                 fmt::format("{} threads are more than {}", options.threads, kThreadsMax),
                 "Leave the number out to use the machine's cores."};
  }
  if (!float_environment_is_exact()) {
    return Error{ErrorCode::kFailed,
                 "this process rounds or flushes floating-point numbers in its own way",
                 "A library loaded into it was built with -ffast-math; run without that library."};
  }
  const size_t threads = options.threads > 0 ? options.threads : physical_cores();
  auto pool = std::make_unique<WorkerPool>(std::make_unique<State>());
  State* const state = pool->state_.get();
  const std::vector<size_t> cores =
      options.pin ? one_per_core(allowed_processors(), "") : std::vector<size_t>{};
  state->plenty = static_cast<int64_t>(2 * threads);
  state->threads.reserve(threads - 1);
  for (size_t worker = 1; worker < threads; ++worker) {
    state->threads.push_back(TRY(Thread::create(
        fmt::format("worker {}", worker), [state, worker] { state->work_until_stopped(worker); })));
    if (!cores.empty()) TRY(state->threads.back().pin_to(cores[worker % cores.size()]));
  }
  return pool;
}

size_t WorkerPool::size() const { return state_->threads.size() + 1; }

void WorkerPool::run_erased(size_t tasks, bool ahead, Erased work, void* context) {
  CHECK(!state_->busy.exchange(true, std::memory_order_acquire));  // Nested, or a second caller.
  state_->work = work;
  state_->context = context;
  state_->tasks = static_cast<int64_t>(tasks);
  state_->ahead = ahead;
  state_->unfinished.store(state_->tasks, std::memory_order_relaxed);
  state_->unclaimed.store(state_->tasks, std::memory_order_seq_cst);
  if (state_->sleepers.load(std::memory_order_seq_cst) > 0) wake_all(state_->work_signal);
  state_->compute(0);
  state_->wait_until_finished();
  state_->busy.store(false, std::memory_order_release);
}

}  // namespace freehold::device
