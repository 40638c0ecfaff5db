#pragma once
// The target of a request, and who may ask: Host and Origin checked against what this server is
// called, so that a page of another site cannot reach it by a name it made point here (DNS
// rebinding). Pure; any thread.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/http/message.h"

namespace freehold::server {

struct Target {
  std::string path;   // percent-decoded
  std::string query;  // as it came
};
/// Nothing for what is no path: another form, bad escapes, control characters.
std::optional<Target> split_target(std::string_view text);

struct OriginPolicy {
  std::vector<std::string> hosts;    // names beside localhost and IP addresses
  std::vector<std::string> origins;  // "https://app.example", beside the server's own
};

enum class OriginVerdict {
  kFine,
  kBadHost,    ///< 421: not a name of this server
  kBadOrigin,  ///< 403: a page of another site
  kForeign     ///< fine, and the answer says so to the browser
};
OriginVerdict check_origin(const Request& request, const OriginPolicy& policy);

/// What a browser is told for an origin that may read the answer; empty where it need not be.
std::vector<Header> cross_origin_headers(const Request& request, OriginVerdict verdict);

}  // namespace freehold::server
