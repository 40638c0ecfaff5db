#pragma once
// What an endpoint is, and what it may use. One file per endpoint, one row per route in
// endpoints.def; docs/recipes/add-an-endpoint.md.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "server/api/parameters.h"
#include "server/host/host.h"
#include "server/http/exchange.h"
#include "server/metrics.h"

namespace freehold::server {

/// What a key must allow.
enum class Scope { kNone, kInference, kModels, kAdmin };

/// A model that may be asked for.
struct ListedModel {
  std::string name;
  std::string sha256;  // empty where it is not known
  uint64_t bytes = 0;
  int64_t added_s = 0;
  std::string licence;
  std::string family = {};
};

/// Everything an endpoint works with; outlives all requests.
struct Services {
  Host& host;
  base::Clock& clock;
  Metrics& metrics;
  std::function<Result<std::vector<ListedModel>>()> list;
  std::string version;
  std::function<bool()> ready;
};

/// One request on its way: who asked, for what, and where the answer goes.
struct Call {
  Services& services;
  Request request;
  std::string rest;   // of the path, where the route ends in '*'
  std::string owner;  // of the key; empty without keys
  std::shared_ptr<Exchange> exchange;
  Dialect dialect = Dialect::kOpenAi;
  std::string route;  // for metrics

  /// A whole answer, and its count.
  void send(Response response);
  void fail(const ApiError& error);
};

struct Endpoint {
  std::string_view summary;
  Dialect dialect = Dialect::kOpenAi;
  std::span<const Parameter> parameters = {};  // of the body; empty: it has none
  /// Answers, or fails before anything was sent. Must not wait.
  ApiStatus (*handle)(Call& call, const base::JsonValue& body) = nullptr;
};

struct Route {
  std::string_view method;
  std::string_view path;  // ends in '*' where the rest is the endpoint's
  Scope scope = Scope::kInference;
  const Endpoint* endpoint = nullptr;
};

/// Every row of endpoints.def, in its order.
std::span<const Route> all_routes();

}  // namespace freehold::server
