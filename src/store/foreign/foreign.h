#pragma once
// Models in other programs' stores, used where they are: `ollama:NAME[:TAG]`,
// `lmstudio:PUBLISHER/REPO[/FILE]`, `llamacpp:FILE` or `llamacpp:USER/REPO[:QUANT]`,
// `hf-cache:USER/REPO[/FILE|:QUANT]`. Nothing there is ever written. All of it is outside input:
// what a manifest, a name or a link says cannot lead out of the folder (io/within.h). Any thread.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/file.h"
#include "store/settings.h"

namespace freehold::store {

/// A folder where a program of `kind` ("ollama") keeps its models; it need not be there.
struct ForeignFolder {
  std::string kind;
  std::string path;
};

/// From the variables that those programs read (OLLAMA_MODELS, LLAMA_CACHE, HF_HUB_CACHE, HF_HOME,
/// XDG_CACHE_HOME), and their defaults below HOME.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;
std::vector<ForeignFolder> foreign_folders(const Environment& environment);

/// Whether a MODEL argument begins with one of the prefixes and a colon. Asked before is_path().
bool is_foreign_name(std::string_view model);
/// Whether a name of ours would be taken for one of another program's.
bool is_foreign_prefix(std::string_view name);

struct ForeignModel {
  std::string name;    ///< as it is typed, whole: "ollama:llama3.2:1b"
  std::string path;    ///< of its file, or its first shard
  uint64_t bytes = 0;  ///< of that file
  std::string sha256;  ///< what the program says it is; empty where it does not
  ModelSettings settings;
  std::vector<std::string> notes;  ///< what of it cannot be honoured, a line each
};

/// kUsage where `name` is none of the grammar or several files fit (they are named), kNotFound with
/// the folders looked into, kRefused for what leads out or has no GGUF file, kDamaged for what
/// contradicts itself.
Result<ForeignModel> find_foreign(io::FileSystem& files, std::span<const ForeignFolder> folders,
                                  std::string_view name);

struct ForeignListing {
  std::vector<ForeignModel> models;  ///< sorted by name; without settings and notes
  std::vector<std::string> broken;   ///< a line each for what cannot be read
};
ForeignListing list_foreign(io::FileSystem& files, std::span<const ForeignFolder> folders);

/// A name of ours for a model of another program's, as "llama3.2:1b".
std::string own_name_of(std::string_view foreign_name);

}  // namespace freehold::store
