#include "server/model_names.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "model/gguf/gguf.h"

namespace freehold::server {

namespace {

Error not_served(const std::string& name) {
  return {ErrorCode::kNotFound, fmt::format("there is no model {}", base::printable(name)),
          "GET /v1/models lists them"};
}

}  // namespace

Result<std::string> ModelNames::add(const std::string& model) {
  Given given;
  given.found = TRY(open_store_().find(model));
  TRY(admit_(model, given.found));
  const auto file = TRY(model::GgufModel::open(files_, given.found.path));
  if (store::is_path(model)) {
    given.names.push_back(model.substr(model.rfind('/') + 1));
    const auto called = file.metadata().find_string("general.name");
    if (called && !called->empty()) given.names.emplace_back(*called);
  } else {
    given.names.push_back(model);
  }
  given.listed.name = given.names.front();
  given.listed.bytes = file.tensor_bytes();
  given.listed.licence = given.found.licence;
  given.listed.family =
      std::string(file.metadata().find_string("general.architecture").value_or(""));
  const std::string& path = given.found.path;
  const size_t hash = path.rfind("sha256-");
  if (hash != std::string::npos) given.listed.sha256 = path.substr(hash + 7);
  given_.push_back(std::move(given));
  return given_.back().listed.name;
}

Result<store::FoundModel> ModelNames::find(const std::string& name) const {
  if (!given_.empty()) {
    for (const Given& given : given_) {
      const auto& names = given.names;
      if (std::find(names.begin(), names.end(), name) != names.end()) return given.found;
      if (names.front() + ":latest" == name) return given.found;
    }
    return not_served(name);
  }
  // Only names of the store itself: a client gets no file by its path, and no other program's.
  const auto parsed = store::parse_name(name);
  if (!parsed.ok()) return not_served(name);
  auto found = open_store_().find(name);
  if (!found.ok() && found.error().code == ErrorCode::kNotFound) return not_served(name);
  if (found.ok()) TRY(admit_(name, *found));
  return found;
}

Result<std::vector<ListedModel>> ModelNames::list() const {
  std::vector<ListedModel> models;
  for (const Given& given : given_) models.push_back(given.listed);
  if (!given_.empty()) return models;
  const store::StoreListing listing = TRY(open_store_().list());
  for (const store::ModelRecord& record : listing.models) {
    models.push_back({.name = store::short_text(record.name),
                      .sha256 = record.sha256,
                      .bytes = record.bytes,
                      .added_s = record.added_s,
                      .licence = record.licence});
  }
  return models;
}

}  // namespace freehold::server
