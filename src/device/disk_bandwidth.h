#pragma once
// B of streaming: how fast a file's disk gives large aligned reads, measured the way weights are
// streamed: many reads in flight around the page cache. A measurement, so the caller brings a
// clock.

#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "base/result.h"
#include "device/memory.h"
#include "io/file.h"

namespace freehold::device {

struct DiskBandwidth {
  double bytes_per_second = 0;
  uint64_t bytes = 0;   // that were read
  bool direct = false;  // false: the page cache was in between, and the figure may be its own
};

struct DiskBandwidthOptions {
  io::ReadBackend backend = io::ReadBackend::kAuto;
  uint64_t read_bytes = uint64_t{2} << 20;  // of one read
  size_t depth = 8;                         // in flight; read_bytes x depth of memory are taken
  double seconds_max = 1.0;
};

/// Reads from spread-out places of `file` until the time is up or it was read once; the rate is
/// that of the whole. kRefused for a file shorter than one read.
Result<DiskBandwidth> measure_disk(io::FileSystem& files, io::ReadableFile& file,
                                   MemoryAccount& account, base::Clock& clock,
                                   DiskBandwidthOptions options = {});

}  // namespace freehold::device
