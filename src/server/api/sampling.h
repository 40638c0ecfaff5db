#pragma once
// Sampling parameters of a request's body, in the names that OpenAI, llama.cpp and Ollama share,
// and the rows that describe them.

#include "server/api/answering.h"
#include "server/api/parameters.h"

namespace freehold::server {

// Rows for a table of parameters, so that every dialect means the same.
inline constexpr Parameter kTemperature{
    "temperature", Kind::kNumber, Use::kHonoured, 0, 1000, false, "0 takes the likeliest token"};
inline constexpr Parameter kTopP{"top_p", Kind::kNumber, Use::kHonoured, 0, 1};
inline constexpr Parameter kTopK{"top_k", Kind::kInteger, Use::kHonoured, 0, kCountMax};
inline constexpr Parameter kMinP{"min_p", Kind::kNumber, Use::kHonoured, 0, 1};
inline constexpr Parameter kTypicalP{"typical_p", Kind::kNumber, Use::kHonoured, 0, 1};
inline constexpr Parameter kFrequency{"frequency_penalty", Kind::kNumber, Use::kHonoured, -100,
                                      100};
inline constexpr Parameter kPresence{"presence_penalty", Kind::kNumber, Use::kHonoured, -100, 100};
inline constexpr Parameter kRepeat{"repeat_penalty", Kind::kNumber, Use::kHonoured, 0.001, 1000};
inline constexpr Parameter kRepeatLast{"repeat_last_n", Kind::kInteger, Use::kHonoured, 0,
                                       kCountMax};
inline constexpr Parameter kSeed{"seed", Kind::kInteger};

/// What a request starts from: the model's defaults, and a seed.
ApiResult<Asked> start_asked(Call& call, std::string_view model);

/// Takes over what `body` (or Ollama's `options`) says of the rows above.
ApiStatus read_sampling(const base::JsonValue& body, Asked& asked);

/// "logit_bias": {"15043": -1.5}.
ApiStatus read_logit_bias(const base::JsonValue& body, Asked& asked);

}  // namespace freehold::server
