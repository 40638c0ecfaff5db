#include "runtime/weights/disk_health.h"

#include <algorithm>

namespace freehold::runtime {

void DiskHealth::on_read(int64_t now_ns, uint64_t bytes) {
  move_to(now_ns);
  window_bytes_ += bytes;
}

void DiskHealth::on_busy(int64_t now_ns, bool busy) {
  move_to(now_ns);
  busy_ = busy;
}

void DiskHealth::move_to(int64_t now_ns) {
  if (!started_) {
    started_ = true;
    window_start_ns_ = now_ns_ = now_ns;
    return;
  }
  if (busy_) window_busy_ns_ += now_ns - now_ns_;
  now_ns_ = now_ns;
  if (now_ns_ - window_start_ns_ >= kWindow_ns) close_window();
}

void DiskHealth::close_window() {
  const int64_t length_ns = now_ns_ - window_start_ns_;
  const double seconds = static_cast<double>(length_ns) * 1e-9;
  const double rate = static_cast<double>(window_bytes_) / seconds;
  best_ = std::max(best_, rate);
  if (static_cast<double>(window_busy_ns_) >= kBusyShare * static_cast<double>(length_ns)) {
    judge(rate, length_ns);
  }
  window_start_ns_ = now_ns_;
  window_bytes_ = 0;
  window_busy_ns_ = 0;
}

void DiskHealth::judge(double rate, int64_t length_ns) {
  latest_ = rate;
  if (rates_.size() < kWindowsKept) {
    rates_.push_back(rate);
  } else {
    rates_[next_rate_] = rate;
    next_rate_ = (next_rate_ + 1) % kWindowsKept;
  }
  if (rate < kSlowShare * best_ || (throttled_ && rate < kRecoveredShare * best_)) {
    const int64_t before_ns = slow_ns_;
    slow_ns_ += length_ns;
    if (!throttled_ && slow_ns_ >= kSlow_ns) {
      // The windows that proved it count too.
      throttled_ = true;
      throttled_ns_ += before_ns;
    }
    if (throttled_) throttled_ns_ += length_ns;
  } else {
    slow_ns_ = 0;
    throttled_ = false;
  }
}

DiskHealth::Report DiskHealth::report() const {
  Report report;
  report.best = best_;
  report.latest = latest_;
  report.windows = rates_.size();
  report.throttled = throttled_;
  report.throttled_seconds = static_cast<double>(throttled_ns_) * 1e-9;
  if (rates_.empty()) return report;
  std::vector<double> sorted = rates_;
  std::sort(sorted.begin(), sorted.end());
  report.least = sorted.front();
  report.median = sorted[sorted.size() / 2];
  report.most = sorted.back();
  return report;
}

}  // namespace freehold::runtime
