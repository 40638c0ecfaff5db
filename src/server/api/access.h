#pragma once
// The one place that decides who may ask what. Until keys exist, whoever reaches a loopback address
// or the unix socket may, and nobody else.

#include "server/api/endpoint.h"

namespace freehold::server {

/// The owner of the request: what is computed for one is never reused for another.
ApiResult<std::string> authorise(const Request& request, Scope scope);

}  // namespace freehold::server
