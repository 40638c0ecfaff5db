// GET /livez, /readyz and /health: whether the process answers, and whether it takes requests.

#include "server/api/endpoint.h"

namespace freehold::server {

namespace {

ApiStatus live(Call& call, const base::JsonValue&) {
  call.send({.body = R"({"status":"ok"})"});
  return Nothing{};
}

ApiStatus ready(Call& call, const base::JsonValue&) {
  if (call.services.ready()) return live(call, {});
  return ApiError{.status = 503,
                  .message = "models are being loaded, or the server is stopping",
                  .code = "unavailable",
                  .retry_after_s = 1};
}

}  // namespace

const Endpoint& livez_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "Whether the server answers", .handle = live};
  return kEndpoint;
}

const Endpoint& health_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "Whether the server takes requests",
                                      .handle = ready};
  return kEndpoint;
}

}  // namespace freehold::server
