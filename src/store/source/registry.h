#pragma once
// OCI and Ollama registries (the OCI distribution specification's pull): manifests, indexes, the
// bearer-token dance and basic logins. Everything a registry says is checked against its digest
// before it is believed. Only pulls; a login goes to the registry that it names and to the login
// service that this registry sends us to.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/source/ask.h"
#include "store/source/reference.h"
#include "store/source/source.h"

namespace freehold::store {

/// One challenge of a WWW-Authenticate header (RFC 9110, section 11.6.1).
struct Challenge {
  std::string scheme;  ///< in small letters
  std::vector<std::pair<std::string, std::string>> parameters = {};
  std::string_view find(std::string_view name) const;
};

/// The challenges of a header's value, in order; stops at what it cannot read.
std::vector<Challenge> parse_challenges(std::string_view value);

struct RegistryLayer {
  std::string media_type;
  std::string digest;  ///< "sha256:HEX"
  uint64_t bytes = 0;
  std::string title;     ///< org.opencontainers.image.title; may be empty
  std::string platform;  ///< of an index's entry: "linux/amd64"; may be empty
};

struct RegistryManifest {
  bool is_index = false;
  std::vector<RegistryLayer> entries;  ///< layers, or an index's manifests
  std::string licences;                ///< org.opencontainers.image.licenses; may be empty
};

/// kDamaged where it is no manifest, names a digest that is none or sizes beyond 64 bits.
Result<RegistryManifest> parse_manifest(std::string_view body);

/// The layer that is the model's GGUF file. kRefused with what is there for models in several
/// files, packed layers and other formats.
Result<size_t> choose_layer(const RegistryManifest& manifest, const std::string& reference);
/// The manifest of an index: the only one, else the one for this kind of machine; kUsage with the
/// digests where that does not decide.
Result<size_t> choose_manifest(const RegistryManifest& index, const std::string& reference);

/// "USER:PASSWORD" for `host` from FREEHOLD_REGISTRY_LOGIN's text ("USER:PASSWORD@HOST"), else from
/// the text of Docker's config.json (`auths`); nothing where neither knows it.
std::optional<std::string> find_login(std::string_view variable, std::string_view docker_config,
                                      std::string_view host);

/// Asks for the manifest, its small layers too (settings, licence), and says where the model is.
/// `services` is used again when the authorization runs out: it outlives the model.
Result<RemoteModel> find_registry_model(const SourceServices& services, const Reference& reference);

}  // namespace freehold::store
