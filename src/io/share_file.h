#pragma once
// A second name for a file's bytes on one file system, without copying them. The machine's files
// only.

#include <string>

#include "base/result.h"

namespace freehold::io {

/// Makes `to`, which must not be there, with the bytes of `from`: a clone that shares them until
/// either is written (FICLONE: btrfs, xfs), else a hard link, which is the same file for good.
/// kRefused where the file system can do neither, or the two are on different ones. On stable
/// storage when it returns, the folder's entry excepted.
Status share_file(const std::string& from, const std::string& to);

}  // namespace freehold::io
