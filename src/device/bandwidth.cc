#include "device/bandwidth.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace freehold::device {

namespace {

constexpr size_t kPiece = size_t{1} << 20;
constexpr int kRounds = 5;

/// Sums a piece in eight independent chains of 64-byte lines; `distance` bytes ahead are prefetched
/// where it is not 0.
template <size_t distance, int locality>
uint64_t read_piece(const std::byte* piece) {
  uint64_t sums[8] = {};
  for (size_t at = 0; at < kPiece; at += 64) {
    if constexpr (distance > 0) __builtin_prefetch(piece + at + distance, 0, locality);
    uint64_t line[8];
    std::memcpy(line, piece + at, sizeof(line));
    for (int i = 0; i < 8; ++i) sums[i] += line[i];
  }
  uint64_t sum = 0;
  for (const uint64_t part : sums) sum += part;
  return sum;
}

struct Loop {
  const char* name;
  uint64_t (*read)(const std::byte* piece);
};

constexpr Loop kLoops[] = {
    {"plain", read_piece<0, 3>},
    {"prefetch 1 KB ahead into all levels", read_piece<1024, 3>},
    {"prefetch 2 KB ahead into the second level", read_piece<2048, 2>},
};

}  // namespace

Result<Bandwidth> measure_bandwidth(WorkerPool& pool, MemoryAccount& account, base::Clock& clock,
                                    uint64_t bytes) {
  const size_t pieces = std::max<size_t>(2, bytes / kPiece);
  // One piece more, so that prefetches behind the end stay inside the block.
  Buffer block = TRY(Buffer::create(account, MemoryUse::kOther, (pieces + 1) * kPiece));
  pool.run(pieces + 1, [&](size_t piece, size_t) {
    std::memset(block.data() + piece * kPiece, static_cast<int>(piece & 0xFF), kPiece);
  });
  Bandwidth best;
  best.bytes = pieces * kPiece;
  std::atomic<uint64_t> keep{0};
  for (const Loop& loop : kLoops) {
    for (int round = 0; round < kRounds; ++round) {
      const int64_t start = clock.monotonic_ns();
      pool.run(pieces, [&](size_t piece, size_t) {
        keep.fetch_add(loop.read(block.data() + piece * kPiece), std::memory_order_relaxed);
      });
      const auto elapsed = static_cast<double>(std::max<int64_t>(1, clock.monotonic_ns() - start));
      const double speed = static_cast<double>(best.bytes) * 1e9 / elapsed;
      if (speed > best.bytes_per_second) {
        best.bytes_per_second = speed;
        best.best_loop = loop.name;
      }
    }
  }
  return best;
}

}  // namespace freehold::device
