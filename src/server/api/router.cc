#include "server/api/router.h"

#include <fmt/format.h>

#include <array>

#include "base/text.h"
#include "server/api/access.h"

namespace freehold::server {

#define FREEHOLD_ENDPOINT(method, path, scope, name) const Endpoint& name##_endpoint();
#include "server/api/endpoints.def"
#undef FREEHOLD_ENDPOINT

std::span<const Route> all_routes() {
  static const std::array kAll = {
#define FREEHOLD_ENDPOINT(method, path, scope, name) \
  Route{method, path, Scope::scope, &name##_endpoint()},
#include "server/api/endpoints.def"
#undef FREEHOLD_ENDPOINT
  };
  return kAll;
}

namespace {

/// Adds headers to whatever is answered.
class HeaderExchange final : public Exchange {
 public:
  HeaderExchange(std::shared_ptr<Exchange> inner, std::vector<Header> headers)
      : inner_(std::move(inner)), headers_(std::move(headers)) {}
  void send(Response response) override {
    add(response);
    inner_->send(std::move(response));
  }
  void begin(Response response) override {
    add(response);
    inner_->begin(std::move(response));
  }
  Room write(std::string_view piece) override { return inner_->write(piece); }
  void end() override { inner_->end(); }
  bool is_closed() const override { return inner_->is_closed(); }
  void set_wake(std::function<void()> wake) override { inner_->set_wake(std::move(wake)); }

 private:
  void add(Response& response) {
    response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
  }
  std::shared_ptr<Exchange> inner_;
  std::vector<Header> headers_;
};

bool matches(const Route& route, const std::string& path, std::string& rest) {
  if (!route.path.ends_with('*')) return path == route.path;
  const std::string_view beginning = route.path.substr(0, route.path.size() - 1);
  if (!path.starts_with(beginning) || path.size() == beginning.size()) return false;
  rest = path.substr(beginning.size());
  return true;
}

struct Match {
  const Route* route = nullptr;
  std::string rest;
  std::string allowed;  // methods of the path, where the request's is none of them
};

Match find_route(const Request& request) {
  Match match;
  std::string_view method = request.method;
  if (method == "HEAD") method = "GET";
  for (const Route& route : all_routes()) {
    std::string rest;
    if (!matches(route, request.path, rest)) continue;
    if (route.method == method) return {&route, std::move(rest), {}};
    if (!match.allowed.empty()) match.allowed += ", ";
    match.allowed += route.method;
  }
  return match;
}

/// What the path looks like it wants, for errors before a route is found.
Dialect dialect_of(const Request& request) {
  if (request.path.starts_with("/api/")) return Dialect::kOllama;
  if (request.path.starts_with("/v1/messages")) return Dialect::kAnthropic;
  return Dialect::kOpenAi;
}

ApiResult<base::JsonValue> read_body(const Request& request, const Endpoint& endpoint) {
  if (endpoint.parameters.empty()) return base::JsonValue();
  auto body = TRY(parse_body(request.body));
  TRY(check_parameters(body, endpoint.parameters));
  return body;
}

ApiStatus handle(Call& call, const Route& route) {
  call.owner = TRY(authorise(call.request, route.scope));
  const base::JsonValue body = TRY(read_body(call.request, *route.endpoint));
  return route.endpoint->handle(call, body);
}

/// A browser asks beforehand whether a page of another origin may ask.
Response preflight(const std::string& allowed) {
  return {.status = 204,
          .content_type = "",
          .headers = {{"Access-Control-Allow-Methods", allowed},
                      {"Access-Control-Allow-Headers",
                       "authorization, content-type, x-api-key, anthropic-version"},
                      {"Access-Control-Max-Age", "600"}}};
}

}  // namespace

void Call::send(Response response) {
  services.metrics.count_request(route, response.status);
  exchange->send(std::move(response));
}

void Call::fail(const ApiError& error) { send(error_response(error, dialect)); }

void answer(Services& services, const RouterOptions& options, Request request,
            std::shared_ptr<Exchange> exchange) {
  const Dialect dialect = dialect_of(request);
  const OriginVerdict verdict = check_origin(request, options.origins);
  const Match match = find_route(request);
  Call call{services, std::move(request), match.rest, {}, std::move(exchange), dialect, "none"};
  if (verdict == OriginVerdict::kBadHost) {
    return call.fail({.status = 421,
                      .message = fmt::format("this server is not called {}; --allow-host names it",
                                             base::printable(call.request.header("host")))});
  }
  if (verdict == OriginVerdict::kBadOrigin) {
    return call.fail({.status = 403,
                      .message = fmt::format("pages of {} may not ask; --allow-origin lets them",
                                             base::printable(call.request.header("origin")))});
  }
  if (verdict == OriginVerdict::kForeign) {
    call.exchange = std::make_shared<HeaderExchange>(call.exchange,
                                                     cross_origin_headers(call.request, verdict));
  }
  if (match.route == nullptr && match.allowed.empty()) {
    return call.fail(
        {.status = 404,
         .message = fmt::format("there is no {}", base::printable(call.request.path))});
  }
  if (match.route == nullptr && call.request.method == "OPTIONS") {
    return call.send(preflight(match.allowed));
  }
  if (match.route == nullptr) {
    Response response = error_response(
        {.status = 405,
         .message = fmt::format("{} takes {}", base::printable(call.request.path), match.allowed)},
        dialect);
    response.headers.push_back({"Allow", match.allowed});
    return call.send(std::move(response));
  }
  call.route = std::string(match.route->path);
  call.dialect = match.route->endpoint->dialect;
  const ApiStatus done = handle(call, *match.route);
  if (!done.ok()) call.fail(done.error());
}

}  // namespace freehold::server
