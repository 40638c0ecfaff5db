// GET /metrics, for Prometheus.

#include "server/api/endpoint.h"

namespace freehold::server {

namespace {

ApiStatus handle(Call& call, const base::JsonValue&) {
  call.send({.content_type = "text/plain; version=0.0.4; charset=utf-8",
             .body = call.services.metrics.text()});
  return Nothing{};
}

}  // namespace

const Endpoint& metrics_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "What is counted, for Prometheus",
                                      .handle = handle};
  return kEndpoint;
}

}  // namespace freehold::server
