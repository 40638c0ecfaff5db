#include "device/bandwidth.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/bytes.h"

namespace freehold::device {

namespace {

constexpr size_t kPiece = size_t{1} << 20;
constexpr int kRounds = 4;

/// Thirty-two bytes at once, on every processor.
using Lane = uint64_t __attribute__((vector_size(32)));

/// Sums a piece as `streams` streams side by side, in two chains. Where `distance` is not 0, each
/// stream's line that many bytes ahead is prefetched.
template <size_t streams, size_t distance, int locality>
uint64_t read_piece(const std::byte* piece) {
  constexpr size_t kStream = kPiece / streams;
  Lane low{};
  Lane high{};
  for (size_t at = 0; at < kStream; at += 2 * sizeof(Lane)) {
    for (size_t stream = 0; stream < streams; ++stream) {
      const std::byte* line = piece + stream * kStream + at;
      if constexpr (distance > 0) __builtin_prefetch(line + distance, 0, locality);
      low += base::load_le<Lane>(line);
      high += base::load_le<Lane>(line + sizeof(Lane));
    }
  }
  low += high;
  return low[0] + low[1] + low[2] + low[3];
}

struct Loop {
  const char* name;
  uint64_t (*read)(const std::byte* piece);
};

constexpr Loop kLoops[] = {
    {"one stream", read_piece<1, 0, 3>},
    {"one stream, prefetch 1 KB ahead", read_piece<1, 1024, 3>},
    {"one stream, prefetch 4 KB ahead into the second level", read_piece<1, 4096, 2>},
    {"four streams", read_piece<4, 0, 3>},
    {"sixteen streams", read_piece<16, 0, 3>},
    {"sixteen streams, prefetch 1 KB ahead", read_piece<16, 1024, 3>},
    {"sixteen streams, prefetch 4 KB ahead into the second level", read_piece<16, 4096, 2>},
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
