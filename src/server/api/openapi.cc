// GET /openapi.json: every route, from the table that the server itself reads.

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "server/api/endpoint.h"

namespace freehold::server {

namespace {

std::string method_key(std::string_view method) {
  std::string small(method);
  for (char& letter : small) letter = static_cast<char>(letter + 32);
  return small;
}

void write_operation(base::JsonWriter& json, const Route& route) {
  const Endpoint& endpoint = *route.endpoint;
  json.key(method_key(route.method)).begin_object().field("summary", endpoint.summary);
  if (route.path.ends_with('*')) {
    json.key("parameters").begin_array().begin_object();
    json.field("name", "name").field("in", "path").field("required", true);
    json.key("schema").begin_object().field("type", "string").end_object();
    json.end_object().end_array();
  }
  if (!endpoint.parameters.empty()) {
    json.key("requestBody").begin_object().field("required", true).key("content").begin_object();
    json.key("application/json").begin_object().key("schema");
    write_schema(json, endpoint.parameters);
    json.end_object().end_object().end_object();
  }
  json.key("responses").begin_object();
  json.key("200").begin_object().field("description", "the answer").end_object();
  json.key("default").begin_object().field("description", "an error that says what is wrong");
  json.end_object().end_object().end_object();
}

ApiStatus handle(Call& call, const base::JsonValue&) {
  std::map<std::string, std::vector<const Route*>> paths;
  for (const Route& route : all_routes()) {
    std::string path(route.path);
    if (path.ends_with('*')) path.replace(path.size() - 1, 1, "{name}");
    paths[path].push_back(&route);
  }
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().field("openapi", "3.1.0").key("info").begin_object();
  json.field("title", "Freehold").field("version", call.services.version).end_object();
  json.key("paths").begin_object();
  for (const auto& [path, routes] : paths) {
    json.key(path).begin_object();
    for (const Route* route : routes) write_operation(json, *route);
    json.end_object();
  }
  json.end_object().end_object();
  call.send({.body = std::move(text)});
  return Nothing{};
}

}  // namespace

const Endpoint& openapi_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "This document", .handle = handle};
  return kEndpoint;
}

}  // namespace freehold::server
