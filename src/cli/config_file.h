#pragma once
// The one configuration file, TOML: option names as keys, at the top or in a table of a command's
// name.

#include <functional>
#include <string>

#include "base/result.h"
#include "cli/options.h"
#include "io/file.h"

namespace freehold::cli {

/// Whether an option of that name (without its dashes) exists: for `command`, or for any where it
/// is empty.
using OptionNames = std::function<bool(const std::string& command, const std::string& name)>;

/// Reads `path`. A missing file is an empty one unless it is `required`; a damaged one, and keys
/// that are no options, are kUsage with the line.
Result<Lookup> read_config_file(io::FileSystem& files, const std::string& path, bool required,
                                const OptionNames& known);

}  // namespace freehold::cli
