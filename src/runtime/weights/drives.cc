#include "runtime/weights/drives.h"

#include "base/check.h"

namespace freehold::runtime {

size_t Drives::choose(size_t avoid) const {
  size_t best = kNone;
  for (size_t i = 0; i < drives_.size(); ++i) {
    const Drive& drive = drives_[i];
    if (!drive.live || (i == avoid && live_ > 1)) continue;
    if (best != kNone) {
      const Drive& other = drives_[best];
      if (drive.in_flight > other.in_flight) continue;
      if (drive.in_flight == other.in_flight && drive.last_use >= other.last_use) continue;
    }
    best = i;
  }
  CHECK(best != kNone);
  return best;
}

void Drives::started(size_t drive) {
  ++drives_[drive].in_flight;
  drives_[drive].last_use = ++uses_;
}

bool Drives::failed(size_t drive) {
  if (!drives_[drive].live) return false;
  return ++drives_[drive].failures >= kFailuresMax && drop(drive);
}

bool Drives::drop(size_t drive) {
  if (!drives_[drive].live || live_ == 1) return false;
  drives_[drive].live = false;
  --live_;
  return true;
}

}  // namespace freehold::runtime
