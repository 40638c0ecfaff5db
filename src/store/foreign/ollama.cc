// Ollama's store: manifests/HOST/NAMESPACE/MODEL/TAG say which blobs a name is made of, and
// blobs/sha256-HEX are those. The model's blob is a GGUF file, used where it is.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "io/within.h"
#include "store/foreign/kinds.h"
#include "store/sha256.h"
#include "store/source/registry.h"

namespace freehold::store {

namespace {

// What Ollama puts before a name that does not say more.
constexpr std::string_view kHost = "registry.ollama.ai";
constexpr std::string_view kNamespace = "library";
constexpr std::string_view kTag = "latest";
constexpr std::string_view kMediaPrefix = "application/vnd.ollama.image.";
constexpr uint64_t kManifestBytesMax = 4u << 20;  // of the OCI distribution specification
constexpr size_t kNamesMax = 10'000;

struct OllamaName {
  std::string host{kHost};
  std::string owner{kNamespace};
  std::string model;
  std::string tag{kTag};

  std::string path() const { return fmt::format("manifests/{}/{}/{}/{}", host, owner, model, tag); }
  /// As people type it: without what is understood.
  std::string text() const {
    std::string name = model;
    if (owner != kNamespace || host != kHost) name = owner + "/" + name;
    if (host != kHost) name = host + "/" + name;
    return tag == kTag ? name : name + ":" + tag;
  }
};

/// [[HOST/]NAMESPACE/]MODEL[:TAG]; a host may have a port.
std::optional<OllamaName> parse_ollama_name(std::string_view text) {
  OllamaName name;
  const size_t slash = text.rfind('/');
  const size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash)) {
    name.tag = text.substr(colon + 1);
    text = text.substr(0, colon);
  }
  const std::vector<std::string_view> parts = base::split(text, '/');
  if (parts.size() > 3) return std::nullopt;
  name.model = parts.back();
  if (parts.size() > 1) name.owner = parts[parts.size() - 2];
  if (parts.size() > 2) name.host = parts[0];
  for (const std::string* part : {&name.host, &name.owner, &name.model, &name.tag}) {
    if (!is_foreign_part(*part)) return std::nullopt;
  }
  return name;
}

Error damaged(const std::string& what) {
  return Error{ErrorCode::kDamaged, what, "pull the model again with Ollama"};
}

/// "model", "system", "params"…; empty for what is none of Ollama's.
std::string_view kind_of(const RegistryLayer& layer) {
  const std::string_view type = layer.media_type;
  return type.starts_with(kMediaPrefix) ? type.substr(kMediaPrefix.size()) : std::string_view();
}

/// The hash of a digest, which parse_manifest() has checked.
std::string hash_of(const RegistryLayer& layer) {
  return layer.digest.substr(layer.digest.find(':') + 1);
}

/// The one layer with a GGUF file; nullptr where there is none or several.
const RegistryLayer* model_of(const RegistryManifest& manifest) {
  const RegistryLayer* found = nullptr;
  for (const RegistryLayer& layer : manifest.entries) {
    if (manifest.is_index || kind_of(layer) != "model") continue;
    if (found != nullptr) return nullptr;
    found = &layer;
  }
  return found;
}

Result<RegistryManifest> read_manifest(const ForeignPlace& place, const std::string& relative) {
  const io::WithinEntry file = TRY(io::find_within(place.root, relative));
  if (file.is_directory) return not_in_store(place, relative);
  const std::string text = TRY(io::read_small_file(place.files, file.path, kManifestBytesMax));
  auto manifest = parse_manifest(text);
  if (manifest.ok()) return manifest;
  Error error = damaged(fmt::format("{}: {}", file.path, manifest.error().message));
  error.code = manifest.error().code;
  return error;
}

Result<std::string> find_blob(const ForeignPlace& place, const RegistryLayer& layer) {
  const auto blob = io::find_within(place.root, "blobs/sha256-" + hash_of(layer));
  if (!blob.ok() && blob.error().code != ErrorCode::kNotFound) return blob.error();
  if (!blob.ok() || blob->is_directory || blob->bytes != layer.bytes) {
    return damaged(
        fmt::format("the blob sha256-{} in {} is missing or cut", hash_of(layer), place.root));
  }
  return blob->path;
}

/// What a small layer says, if it is what its digest says.
Status take_over(const ForeignPlace& place, const RegistryLayer& layer, ForeignModel& model) {
  if (kind_of(layer) == "projector") {
    model.notes.emplace_back("its part for images is not used");
    return {};
  }
  if (kind_of(layer) == "adapter") {
    return add_ollama_layer(model.settings, kind_of(layer), "sha256:" + hash_of(layer),
                            model.notes);
  }
  constexpr std::string_view kRead[] = {"system", "params", "template", "license", "messages"};
  if (std::find(std::begin(kRead), std::end(kRead), kind_of(layer)) == std::end(kRead)) return {};
  const std::string text =
      TRY(io::read_small_file(place.files, TRY(find_blob(place, layer)), kSettingsBytesMax));
  if (sha256_of(text) != hash_of(layer)) {
    return damaged(fmt::format("the blob sha256-{} in {} is not what its name says", hash_of(layer),
                               place.root));
  }
  return add_ollama_layer(model.settings, kind_of(layer), text, model.notes);
}

/// Folders of manifests, four deep, each file a name.
void list_level(const ForeignPlace& place, const std::string& relative,
                std::vector<std::string>& parts, ForeignListing& listing) {
  const auto entries = list_foreign_folder(place, relative);
  if (!entries.ok()) return;
  for (const ForeignEntry& entry : *entries) {
    if (listing.models.size() + listing.broken.size() >= kNamesMax) return;
    parts.push_back(entry.name);
    const std::string path = relative + "/" + entry.name;
    if (parts.size() < 4 && entry.is_directory) list_level(place, path, parts, listing);
    if (parts.size() == 4 && !entry.is_directory) {
      const OllamaName name{parts[0], parts[1], parts[2], parts[3]};
      const auto manifest = read_manifest(place, path);
      const RegistryLayer* layer = manifest.ok() ? model_of(*manifest) : nullptr;
      if (!manifest.ok()) {
        listing.broken.push_back(manifest.error().message);
      } else if (layer != nullptr) {
        const auto blob = find_blob(place, *layer);
        ForeignModel model;
        model.name = fmt::format("{}:{}", place.prefix, name.text());
        model.bytes = layer->bytes;
        model.sha256 = hash_of(*layer);
        if (blob.ok()) model.path = *blob;
        if (blob.ok()) listing.models.push_back(std::move(model));
        if (!blob.ok()) listing.broken.push_back(name.text() + ": " + blob.error().message);
      }
    }
    parts.pop_back();
  }
}

}  // namespace

Result<ForeignModel> find_in_ollama(const ForeignPlace& place, std::string_view text) {
  const auto name = parse_ollama_name(text);
  if (!name) return no_foreign_name(place, text, "[[HOST/]NAMESPACE/]MODEL[:TAG]");
  const RegistryManifest manifest = TRY(read_manifest(place, name->path()));
  const RegistryLayer* layer = model_of(manifest);
  if (layer == nullptr) {
    return Error{ErrorCode::kRefused,
                 fmt::format("{}:{} is not one GGUF file", place.prefix, base::printable(text)),
                 "models of other formats cannot be used where they are"};
  }
  ForeignModel model;
  model.path = TRY(find_blob(place, *layer));
  model.bytes = layer->bytes;
  model.sha256 = hash_of(*layer);
  for (const RegistryLayer& each : manifest.entries) TRY(take_over(place, each, model));
  return model;
}

void list_ollama(const ForeignPlace& place, ForeignListing& listing) {
  std::vector<std::string> parts;
  list_level(place, "manifests", parts, listing);
}

}  // namespace freehold::store
