#pragma once
// Pieces that Ollama's chat and generate share: options, durations, times, and the counts at the
// end of an answer.

#include <string>

#include "server/api/sampling.h"

namespace freehold::server {

/// Rows of both: options, keep_alive, stream…
inline constexpr Parameter kOllamaOptions{"options", Kind::kObject};
inline constexpr Parameter kOllamaKeepAlive{"keep_alive",
                                            Kind::kAny,
                                            Use::kHonoured,
                                            0,
                                            0,
                                            false,
                                            "seconds, or a duration as in 5m; negative: for good"};
inline constexpr Parameter kOllamaStream{"stream", Kind::kBool};
inline constexpr Parameter kOllamaThink{"think", Kind::kBool};
inline constexpr Parameter kOllamaFormat{"format", Kind::kAny, Use::kRefused};

/// "options", "keep_alive", "stream" (there by default).
ApiStatus read_ollama_common(const base::JsonValue& body, Asked& asked);

/// "5m", "-1", 300 to nanoseconds; negative: for good.
ApiResult<int64_t> read_keep_alive(const base::JsonValue& value);

/// Nanoseconds since 1970 as RFC 3339.
std::string time_text(int64_t wall_ns);

/// done, done_reason, durations and counts, into an object that is begun.
void write_ollama_end(base::JsonWriter& json, const JobReport& report);

}  // namespace freehold::server
