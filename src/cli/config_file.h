#pragma once
// The one configuration file, TOML: option names as keys, at the top or in a table of a command's
// name. Read whole, and changed key by key so that comments and order stay. Pure but for the
// FileSystem that is given.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

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

/// The file's text; empty where there is none.
Result<std::string> read_config_text(io::FileSystem& files, const std::string& path);

struct ConfigEntry {
  std::string key;  ///< "top-k" or "run.top-k"
  std::string value;
  size_t line = 0;
  bool operator==(const ConfigEntry&) const = default;
};

/// What a file's text sets, sorted by key; kUsage where it is no TOML.
Result<std::vector<ConfigEntry>> config_entries(std::string_view text);

/// `text` with `key` set to `value`, which is TOML ("40", "\"a\""), and everything else as it was.
/// kRefused where the text is written in a way that cannot be changed safely.
Result<std::string> set_config_value(std::string_view text, const std::string& key,
                                     std::string_view value);
/// `text` without `key`; unchanged where it is not set.
Result<std::string> unset_config_value(std::string_view text, const std::string& key);

/// A TOML string, quotes included.
std::string toml_string(std::string_view text);

}  // namespace freehold::cli
