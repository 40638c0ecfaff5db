#pragma once
// Small questions to servers, asked again where that may help. Internal to the sources.

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "base/json.h"
#include "io/http_client.h"
#include "store/observer.h"

namespace freehold::store {

/// Sleeps in short steps, so that `stop` (may be null) ends it.
Status rest_unless_stopped(int64_t ms, const std::atomic<bool>* stop);

/// What finding a model needs; all outlive it.
struct SourceServices {
  io::HttpClient& http;
  /// By variable; nothing where it is not set.
  std::function<std::optional<std::string>(const std::string&)> environment;
  Observer& observer;
  std::function<Status(int64_t ms)> rest;  ///< as Source::rest()
  int tries = 5;
  bool plain_http = false;         ///< for registries
  std::string docker_config = {};  ///< text of Docker's config.json, for registries; may be empty
};

/// Milliseconds before try `next` (from 2): doubling from half a second to half a minute, and what
/// the other side wants. kFailed, with `error` first, where that is longer than two minutes.
Result<int64_t> pause_before(int next, int retry_after_seconds, const Error& error);

/// "ERROR; try 2 of 6 in 0.5 s".
std::string note_of_try(const Error& error, int next, int tries, int64_t pause_ms);

/// Whether a server that answers with `status` may answer otherwise a little later.
bool may_mend(long status);

/// The answer of any status that trying again cannot mend; kFailed after the last try. A server
/// that cannot be reached is tried twice: who started this is still there to read it.
Result<io::HttpAnswer> ask(const SourceServices& services, const io::HttpRequest& request);

/// A body as JSON within the limits that suit outside lists; kDamaged names `address`.
Result<base::JsonValue> parse_answer(const std::string& address, std::string_view body);

}  // namespace freehold::store
