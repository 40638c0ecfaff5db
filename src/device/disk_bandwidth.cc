#include "device/disk_bandwidth.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/bytes.h"
#include "device/thread.h"

namespace freehold::device {

namespace {

constexpr size_t kAlignment = 4096;

/// Visits every piece of a file once, far apart in time where near in the file: a sequence that a
/// disk's own read-ahead cannot guess.
class Pieces {
 public:
  explicit Pieces(uint64_t count) : count_(count), step_(std::max<uint64_t>(1, count * 5 / 13)) {
    while (gcd(step_, count_) != 1) ++step_;
  }
  bool done() const { return visited_ == count_; }
  uint64_t next() {
    ++visited_;
    return at_ = (at_ + step_) % count_;
  }

 private:
  static uint64_t gcd(uint64_t a, uint64_t b) { return b == 0 ? a : gcd(b, a % b); }
  uint64_t count_;
  uint64_t step_;
  uint64_t at_ = 0;
  uint64_t visited_ = 0;
};

}  // namespace

Result<DiskBandwidth> measure_disk(io::FileSystem& files, io::ReadableFile& file,
                                   MemoryAccount& account, base::Clock& clock,
                                   DiskBandwidthOptions options) {
  const auto direct = TRY(file.open_direct());
  const uint64_t step = base::align_up<uint64_t>(options.read_bytes, direct->alignment());
  if (direct->size() < step) {
    return Error{ErrorCode::kRefused, file.path() + " is too short to measure its disk with",
                 "take a larger file"};
  }
  Buffer memory =
      TRY(Buffer::create(account, MemoryUse::kOther, options.depth * step + kAlignment));
  auto* const start = reinterpret_cast<std::byte*>(
      base::align_up(reinterpret_cast<uintptr_t>(memory.data()), uintptr_t{kAlignment}));
  const auto queue = TRY(files.make_read_queue(
      options.backend, {.depth = options.depth, .memory = {start, options.depth * step}}));
  std::vector<Thread> threads;
  for (size_t i = 0; i < queue->serving_threads(); ++i) {
    threads.push_back(TRY(Thread::create("measure", [&queue] { queue->serve(); })));
  }
  Pieces pieces(direct->size() / step);
  DiskBandwidth measured;
  Status status;
  size_t in_flight = 0;
  const auto submit = [&](uint64_t slot) {
    if (pieces.done() || !status.ok()) return;
    status = queue->submit({direct.get(),
                            pieces.next() * step,
                            {start + slot * step, step},
                            static_cast<size_t>(step),
                            slot});
    if (status.ok()) ++in_flight;
  };
  const int64_t begin = clock.monotonic_ns();
  const auto seconds = [&] { return static_cast<double>(clock.monotonic_ns() - begin) * 1e-9; };
  for (uint64_t slot = 0; slot < options.depth; ++slot) submit(slot);
  std::array<io::FinishedRead, 32> finished;
  while (in_flight > 0) {
    const size_t count = queue->wait(finished);
    in_flight -= count;
    for (size_t i = 0; i < count; ++i) {
      if (!finished[i].status.ok() && status.ok()) status = finished[i].status;
      measured.bytes += step;
      if (seconds() < options.seconds_max) submit(finished[i].tag);
    }
  }
  measured.bytes_per_second = static_cast<double>(measured.bytes) / std::max(seconds(), 1e-9);
  measured.direct = direct->is_direct();
  queue->close();
  threads.clear();
  if (!status.ok()) return std::move(status).error();
  return measured;
}

}  // namespace freehold::device
