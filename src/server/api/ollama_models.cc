// GET /api/tags, /api/ps and /api/version: which models there are, which are in memory, which
// program this is.

#include "server/api/ollama_shape.h"

namespace freehold::server {

namespace {

/// "smollm2" to "smollm2:latest", as Ollama's listings have it.
std::string tagged(const std::string& name) {
  return name.find(':') == std::string::npos ? name + ":latest" : name;
}

ApiStatus tags(Call& call, const base::JsonValue&) {
  const auto models = TRY(call.services.list());
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().key("models").begin_array();
  for (const ListedModel& model : models) {
    json.begin_object().field("name", tagged(model.name)).field("model", tagged(model.name));
    json.field("modified_at", time_text(model.added_s * 1'000'000'000));
    json.field("size", model.bytes).field("digest", model.sha256);
    json.key("details").begin_object().field("format", "gguf").field("family", model.family);
    json.end_object().end_object();
  }
  json.end_array().end_object();
  call.send({.body = std::move(text)});
  return Nothing{};
}

ApiStatus loaded(Call& call, const base::JsonValue&) {
  const int64_t now = call.services.clock.wall_ns();
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().key("models").begin_array();
  for (const Host::LoadedInfo& model : call.services.host.loaded()) {
    json.begin_object().field("name", tagged(model.name)).field("model", tagged(model.name));
    json.field("size", model.bytes).field("size_vram", 0).field("digest", model.sha256);
    json.field("context_length", model.context).field("running", model.running);
    json.key("expires_at");
    if (model.keep_ns < 0) {
      json.null();
    } else {
      json.value(time_text(now + model.keep_ns - model.idle_for_ns));
    }
    json.key("details").begin_object().field("format", "gguf").end_object().end_object();
  }
  json.end_array().end_object();
  call.send({.body = std::move(text)});
  return Nothing{};
}

ApiStatus version(Call& call, const base::JsonValue&) {
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().field("version", call.services.version).end_object();
  call.send({.body = std::move(text)});
  return Nothing{};
}

}  // namespace

const Endpoint& ollama_tags_endpoint() {
  static constexpr Endpoint kEndpoint{
      .summary = "The models, in Ollama's shape", .dialect = Dialect::kOllama, .handle = tags};
  return kEndpoint;
}

const Endpoint& ollama_ps_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "The models in memory, in Ollama's shape",
                                      .dialect = Dialect::kOllama,
                                      .handle = loaded};
  return kEndpoint;
}

const Endpoint& ollama_version_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "The program's version, in Ollama's shape",
                                      .dialect = Dialect::kOllama,
                                      .handle = version};
  return kEndpoint;
}

}  // namespace freehold::server
