#include "base/clock.h"

#include <time.h>

namespace freehold::base {

namespace {

int64_t read_ns(clockid_t id) {
  timespec now{};
  ::clock_gettime(id, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

int64_t SystemClock::monotonic_ns() { return read_ns(CLOCK_MONOTONIC); }
int64_t SystemClock::wall_ns() { return read_ns(CLOCK_REALTIME); }

}  // namespace freehold::base
