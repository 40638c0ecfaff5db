#pragma once
// How fast the disk has been lately, and whether it slowed down: a disk that overheats, runs out of
// its fast cells or of a cloud's credit reads at a fraction of what it did before, and the user
// should hear that rather than wonder. Pure: told of events and their times, decides nothing for
// anybody. One thread at a time.
//
// Rates are of windows of some seconds. Only a window in which the disk had enough to do most of
// the time (a quarter of what may be in flight, at least) says what the disk can do: where
// computing is the wall, the ring is full and the disk rests, and a slow window proves nothing. Of
// a busy window the rate is at least kBusyShare of what the disk does at a quarter of its queue,
// and any window's rate is at most the disk's; so a disk that keeps its rate does not fall below
// kSlowShare of the best. Measured on a virtual disk of 1.5 GB/s with eight
// programs on two cores: decoding was busy for 0.87 to 1.00 of every window, a long prompt for 0.05
// to 0.29.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace freehold::runtime {

class DiskHealth {
 public:
  static constexpr int64_t kWindow_ns = 2'000'000'000;
  /// Of a window, for it to judge the disk.
  static constexpr double kBusyShare = 0.6;
  /// Of the best window of this run: below is slow …
  static constexpr double kSlowShare = 0.4;
  /// … until a window reaches this.
  static constexpr double kRecoveredShare = 0.55;
  /// Slow windows, one after the other, add up to this before the disk counts as throttled.
  static constexpr int64_t kSlow_ns = 6'000'000'000;
  /// Windows that a report looks back on.
  static constexpr size_t kWindowsKept = 1024;

  /// A read of `bytes` has finished. Times never go back.
  void on_read(int64_t now_ns, uint64_t bytes);
  /// From now on the disk has enough to do, or rests.
  void on_busy(int64_t now_ns, bool busy);

  struct Report {
    // Bytes per second of the last kWindowsKept windows that judge the disk; 0: there was none.
    double least = 0;
    double median = 0;
    double most = 0;
    double latest = 0;
    size_t windows = 0;
    double best = 0;  // of any window of this run
    bool throttled = false;
    double throttled_seconds = 0;  // in all
  };
  Report report() const;

 private:
  void move_to(int64_t now_ns);
  void close_window();
  void judge(double rate, int64_t length_ns);

  bool started_ = false;
  int64_t now_ns_ = 0;
  int64_t window_start_ns_ = 0;
  uint64_t window_bytes_ = 0;
  int64_t window_busy_ns_ = 0;
  bool busy_ = false;
  std::vector<double> rates_;  // a circle once it is full
  size_t next_rate_ = 0;
  double latest_ = 0;
  double best_ = 0;
  int64_t slow_ns_ = 0;
  bool throttled_ = false;
  int64_t throttled_ns_ = 0;
};

}  // namespace freehold::runtime
