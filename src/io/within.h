#pragma once
// Files below a folder that others fill: whatever a name, a symbolic link or a mount says, nothing
// outside the folder is found. The machine's files only; the simulated disk has no links. Any
// thread.

#include <cstdint>
#include <string>

#include "base/result.h"

namespace freehold::io {

struct WithinEntry {
  std::string path;  ///< without links, as the kernel knows it
  bool is_directory = false;
  uint64_t bytes = 0;  ///< of a file
};

/// The file or folder that `relative` names below the folder `root`. Links on the way are followed,
/// and what is reached is asked for its real path, which has to be in `root`'s: kRefused where it
/// is not, and for what is neither file nor folder; kNotFound where there is nothing. Nothing is
/// read.
Result<WithinEntry> find_within(const std::string& root, const std::string& relative);

}  // namespace freehold::io
