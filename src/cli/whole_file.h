#pragma once
// A file that is there whole or not at all.

#include <functional>
#include <string>

#include "base/result.h"
#include "io/file.h"

namespace freehold::cli {

/// Lets `write` fill "PATH.partial", then syncs it and puts it in its place; where anything fails
/// nothing is left.
Status write_whole_file(io::FileSystem& files, const std::string& path,
                        const std::function<Status(io::WritableFile&)>& write);

}  // namespace freehold::cli
