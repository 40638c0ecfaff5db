#pragma once
// Pieces that OpenAI's chat and text completions share.

#include <functional>
#include <span>
#include <string>

#include "base/json.h"
#include "server/api/answering.h"
#include "server/api/sampling.h"

namespace freehold::server {

/// "chatcmpl-" and 24 digits from the system's randomness.
std::string make_id(std::string_view prefix);

/// The word for why an answer ended.
std::string_view openai_finish(JobFinish finish);

/// "usage": {…}.
void write_usage(base::JsonWriter& json, const Usage& usage);

/// The last events of a stream: with `usage` one whose object `begin` opens, with no choices and
/// the usage of all answers, then the word that it is done.
std::string openai_end(bool usage, std::span<const Completed> answers,
                       const std::function<void(base::JsonWriter&)>& begin);

/// "stop", "max_tokens", "n", "stream": what both take.
ApiStatus read_openai_common(const base::JsonValue& body, Asked& asked);

/// Whether "stream_options" asks for usage; 400 for an option that is not known.
ApiResult<bool> wants_usage(const base::JsonValue& body);

}  // namespace freehold::server
