#include "server/api/access.h"

namespace freehold::server {

ApiResult<std::string> authorise(const Request& request, Scope scope) {
  if (scope == Scope::kNone || request.peer.local_socket || request.peer.loopback) {
    return std::string();
  }
  return ApiError{.status = 401,
                  .message = "this server answers to its own machine only, as it has no keys",
                  .code = "invalid_api_key"};
}

}  // namespace freehold::server
