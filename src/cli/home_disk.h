#pragma once
// The disk under HOME, measured where no model lies on it yet.

#include "cli/session.h"
#include "device/disk_bandwidth.h"

namespace freehold::cli {

/// What it reads in a second, by a file of 256 MiB that is written and removed again.
Result<device::DiskBandwidth> measure_home(Context& context, device::MemoryAccount& account);

}  // namespace freehold::cli
