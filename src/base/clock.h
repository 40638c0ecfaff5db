#pragma once
// Time as an argument: an interface, the machine's clock, and a simulated twin that moves when
// told. The engine (runtime and below) takes a Clock only to report speeds, never to decide
// anything.

#include <cstdint>

namespace freehold::base {

/// A source of time. Implementations may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Nanoseconds since an arbitrary start; never goes back.
  virtual int64_t monotonic_ns() = 0;
  /// Nanoseconds since 1970-01-01 UTC, as this machine believes.
  virtual int64_t wall_ns() = 0;
};

/// The machine's clocks.
class SystemClock final : public Clock {
 public:
  int64_t monotonic_ns() override;
  int64_t wall_ns() override;
};

/// A clock that stands still until advanced. One thread.
class SimulatedClock final : public Clock {
 public:
  explicit SimulatedClock(int64_t wall_start_ns = 0) : wall_start_ns_(wall_start_ns) {}
  int64_t monotonic_ns() override { return elapsed_ns_; }
  int64_t wall_ns() override { return wall_start_ns_ + elapsed_ns_; }
  void advance(int64_t ns) { elapsed_ns_ += ns; }

 private:
  int64_t wall_start_ns_;
  int64_t elapsed_ns_ = 0;
};

}  // namespace freehold::base
