#pragma once
// Model files: the small text that `create` makes a name from, in the grammar of Ollama's
// Modelfiles. Outside input; read with line numbers, so that each complaint says where. The grammar
// is docs/formats/model-file.md. Pure values.

#include <string>
#include <string_view>

#include "base/result.h"
#include "store/settings.h"

namespace freehold::store {

inline constexpr size_t kModelFileBytesMax = 2u << 20;

struct ModelFile {
  std::string from;  ///< a model's name or a file, as written
  ModelSettings settings;
};

/// The first thing that is off, as "line N: …": kUsage for what is no instruction, cannot be
/// honoured or stands twice, kRefused for a template in Go's language and what is too long,
/// kDamaged for what is not UTF-8 or no template.
Result<ModelFile> parse_model_file(std::string_view text);

/// `own` over what its base asks for: system prompt, template, each parameter and the messages
/// replace the base's where there are some; licences add up.
Result<ModelSettings> settings_over(const ModelSettings& base, const ModelSettings& own);

}  // namespace freehold::store
