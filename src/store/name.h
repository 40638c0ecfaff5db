#pragma once
// Names of models in the store: NAME or NAME:TAG, where a missing tag is `latest`. Each part is 1
// to 64 letters, digits, '.', '_' and '-', starts with a letter or digit and has no "..", so that
// it is always a plain file name. Pure values.

#include <string>
#include <string_view>

#include "base/result.h"

namespace freehold::store {

inline constexpr size_t kNamePartBytesMax = 64;
inline constexpr std::string_view kDefaultTag = "latest";

struct ModelName {
  std::string name;
  std::string tag;
  bool operator==(const ModelName&) const = default;
  /// "name:tag".
  std::string text() const { return name + ":" + tag; }
};

/// kUsage where `text` is no name. Names that end in ".gguf" are none: they would be read as paths;
/// nor are those that begin as another program's do (store/foreign/foreign.h).
Result<ModelName> parse_name(std::string_view text);

/// Whether a MODEL argument is a path: it contains '/' or ends in ".gguf" (docs/CLI.md).
bool is_path(std::string_view model);

/// Whether two texts differ at most in the case of ASCII letters.
bool same_but_for_case(std::string_view a, std::string_view b);

}  // namespace freehold::store
