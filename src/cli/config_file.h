#pragma once
// The one configuration file, TOML: option names as keys, at the top or in a table of a command's
// name.

#include <memory>
#include <string>

#include "base/result.h"
#include "cli/options.h"
#include "io/file.h"

namespace freehold::cli {

/// Reads `path`. A missing file is an empty one; a damaged one is kUsage with line and column.
Result<Lookup> read_config_file(io::FileSystem& files, const std::string& path);

}  // namespace freehold::cli
