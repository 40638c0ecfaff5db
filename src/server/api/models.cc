// GET /v1/models and /v1/models/NAME: what may be asked for.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "server/api/endpoint.h"

namespace freehold::server {

namespace {

void write_model(base::JsonWriter& json, const ListedModel& model) {
  json.begin_object().field("id", model.name).field("object", "model");
  json.field("created", model.added_s).field("owned_by", "freehold");
  if (!model.sha256.empty()) json.field("sha256", model.sha256);
  json.end_object();
}

ApiStatus list(Call& call, const base::JsonValue&) {
  const auto models = TRY(call.services.list());
  std::string text;
  base::JsonWriter json(text);
  json.begin_object().field("object", "list").key("data").begin_array();
  for (const ListedModel& model : models) write_model(json, model);
  json.end_array().end_object();
  call.send({.body = std::move(text)});
  return Nothing{};
}

ApiStatus show(Call& call, const base::JsonValue&) {
  const auto models = TRY(call.services.list());
  const auto found = std::find_if(models.begin(), models.end(), [&](const ListedModel& model) {
    return model.name == call.rest || model.name == call.rest + ":latest";
  });
  if (found == models.end()) {
    return ApiError{.status = 404,
                    .message = fmt::format("there is no model {}", base::printable(call.rest)),
                    .param = "model",
                    .code = "model_not_found"};
  }
  std::string text;
  base::JsonWriter json(text);
  write_model(json, *found);
  call.send({.body = std::move(text)});
  return Nothing{};
}

}  // namespace

const Endpoint& models_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "The models that may be asked for",
                                      .handle = list};
  return kEndpoint;
}

const Endpoint& model_endpoint() {
  static constexpr Endpoint kEndpoint{.summary = "One model that may be asked for", .handle = show};
  return kEndpoint;
}

}  // namespace freehold::server
