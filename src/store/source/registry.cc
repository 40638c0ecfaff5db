#include "store/source/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "base/text.h"
#include "store/name.h"
#include "store/sha256.h"

namespace freehold::store {

namespace {

constexpr size_t kManifestBytesMax = size_t{4} << 20;  // the specification's own limit
constexpr size_t kLayerBytesMax = size_t{1} << 20;     // of a system prompt, parameters, a licence
constexpr size_t kTokenBytesMax = size_t{64} << 10;
constexpr std::string_view kOllama = "application/vnd.ollama.image.";
/// Layers of Ollama's that are text.
constexpr std::string_view kTextLayers[] = {"system", "params", "template", "license", "messages"};
constexpr const char* kManifestTypes =
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json";

std::string encode_base64(std::string_view text) {
  std::string out(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  out.resize(static_cast<size_t>(length));
  return out;
}

/// What one registry is asked; remembers what authorises. Shared with the closure that renews it,
/// which outlives the search.
class RegistrySession {
 public:
  RegistrySession(const SourceServices& services, const Reference& reference)
      : services_(services),
        reference_(reference),
        root_(fmt::format("{}://{}/v2/{}", services.plain_http ? "http" : "https", reference.host,
                          reference.repository)),
        login_(find_login(services.environment("FREEHOLD_REGISTRY_LOGIN").value_or(""),
                          services.docker_config, reference.host)) {}

  const std::string& root() const { return root_; }
  const std::string& authorization() const { return authorization_; }

  /// An answer of 200, after the dance where it is asked for; else what it means.
  Result<io::HttpAnswer> get(const std::string& address, const std::string& accept,
                             size_t bytes_max) {
    for (int round = 1;; ++round) {
      Result<io::HttpAnswer> answer = ask(services_, {.address = address,
                                                      .headers = {{"Accept", accept}},
                                                      .authorization = authorization_,
                                                      .bytes_max = bytes_max});
      if (!answer.ok()) return explain_transport(std::move(answer).error());
      if (answer->head.status == 200) return answer;
      if (answer->head.status != 401 || round == 2) return explain(address, answer->head);
      TRY(authorise(answer->head));
    }
  }

  /// The same dance again, for a token that ran out.
  Result<std::string> renew() {
    if (!challenge_)
      return Error{ErrorCode::kRefused, reference_.host + " asks for a login again", {}};
    TRY(answer_challenge(*challenge_));
    return authorization_;
  }

  std::string login_hint() const {
    return login_
               ? fmt::format("the login for {} is not enough for it", reference_.host)
               : fmt::format("log in: FREEHOLD_REGISTRY_LOGIN=USER:PASSWORD@{}, or docker login {}",
                             reference_.host, reference_.host);
  }

 private:
  Error explain_transport(Error error) const {
    if (error.code == ErrorCode::kFailed && !services_.plain_http) {
      error.hint = "check the address and the network; a registry without TLS wants --plain-http";
    }
    return error;
  }

  Error explain(const std::string& address, const io::HttpHead& head) const {
    if (head.status == 401 || head.status == 403) {
      return {ErrorCode::kRefused,
              fmt::format("{} may not be pulled ({} answers {})", reference_.text, reference_.host,
                          head.status),
              login_hint()};
    }
    if (head.status == 404) {
      return {ErrorCode::kNotFound,
              fmt::format("{} has no {}{}{}", reference_.host, reference_.repository,
                          reference_.digest.empty() ? ":" : "@",
                          reference_.digest.empty() ? reference_.tag : reference_.digest),
              "check its name and tag"};
    }
    return io::status_error(address, head);
  }

  Status authorise(const io::HttpHead& head) {
    std::optional<Challenge> chosen;
    for (const auto& [name, value] : head.fields) {
      if (name != "www-authenticate") continue;
      for (Challenge& challenge : parse_challenges(value)) {
        const bool bearer = challenge.scheme == "bearer" && !challenge.find("realm").empty();
        const bool basic = challenge.scheme == "basic" && !chosen;
        if (bearer || basic) chosen = std::move(challenge);
        if (bearer) break;
      }
    }
    if (!chosen) {
      return Error{
          ErrorCode::kRefused,
          fmt::format("{} asks for a login of a kind that is not known here", reference_.host),
          "basic logins and bearer tokens are"};
    }
    challenge_ = std::move(chosen);
    return answer_challenge(*challenge_);
  }

  Status answer_challenge(const Challenge& challenge) {
    if (challenge.scheme == "bearer") return fetch_token(challenge);
    if (!login_) {
      return Error{ErrorCode::kRefused, reference_.host + " asks for a login", login_hint()};
    }
    authorization_ = "Basic " + encode_base64(*login_);
    return {};
  }

  Status fetch_token(const Challenge& challenge) {
    const std::string realm(challenge.find("realm"));
    const bool safe = services_.plain_http || realm.starts_with("https://");
    if (!io::check_http_address(realm).ok() || !safe) {
      return Error{ErrorCode::kRefused,
                   fmt::format("{} sends logins to {}", reference_.host, base::printable(realm)),
                   "no login is sent to what is no https address"};
    }
    std::string address = realm;
    const auto add = [&address](std::string_view name, std::string_view value) {
      if (value.empty()) return;
      std::string encoded = encode_address_part(value);
      address += address.find('?') == std::string::npos ? '?' : '&';
      address += fmt::format("{}={}", name, encoded);
    };
    add("service", challenge.find("service"));
    const std::string_view scope = challenge.find("scope");
    add("scope", scope.empty() ? fmt::format("repository:{}:pull", reference_.repository) : scope);
    io::HttpRequest request{.address = address, .bytes_max = kTokenBytesMax};
    if (login_) request.authorization = "Basic " + encode_base64(*login_);
    const io::HttpAnswer answer = TRY(ask(services_, request));
    if (answer.head.status != 200) return explain(address, answer.head);
    const base::JsonValue value = TRY(parse_answer(address, answer.body));
    auto token = value.find_string("token");
    if (!token || token->empty()) token = value.find_string("access_token");
    if (!token || token->empty()) {
      return Error{ErrorCode::kDamaged, io::shown_address(address) + " gives no token", {}};
    }
    authorization_ = fmt::format("Bearer {}", *token);
    return {};
  }

  const SourceServices& services_;
  const Reference reference_;
  const std::string root_;
  const std::optional<std::string> login_;
  std::string authorization_;
  std::optional<Challenge> challenge_;
};

Status check_digest(const std::string& body, const std::string& digest, const std::string& what) {
  if ("sha256:" + sha256_of(body) == digest) return {};
  return Error{ErrorCode::kDamaged,
               fmt::format("{} is not what its digest says ({})", what, digest),
               "pull it again; if that does not help, the registry is broken"};
}

Result<RegistryManifest> get_manifest(RegistrySession& session, const std::string& wanted) {
  const std::string address = fmt::format("{}/manifests/{}", session.root(), wanted);
  const io::HttpAnswer answer = TRY(session.get(address, kManifestTypes, kManifestBytesMax));
  if (wanted.starts_with("sha256:")) TRY(check_digest(answer.body, wanted, "the manifest"));
  if (const auto said = answer.head.find("docker-content-digest");
      said && said->starts_with("sha256:")) {
    TRY(check_digest(answer.body, std::string(*said), "the manifest"));
  }
  return parse_manifest(answer.body);
}

/// What there is besides the tag that is not; empty where the registry does not say.
std::string other_tags(RegistrySession& session) {
  const std::string address = session.root() + "/tags/list";
  const auto answer = session.get(address, "application/json", kManifestBytesMax);
  if (!answer.ok()) return {};
  const auto value = parse_answer(address, answer->body);
  std::vector<std::string> tags;
  for (const base::JsonValue& tag :
       value.ok() ? value->find_elements("tags") : std::span<const base::JsonValue>()) {
    if (tags.size() < 24) tags.push_back(base::printable(tag.as_string().value_or("")));
  }
  std::sort(tags.begin(), tags.end());
  return tags.empty() ? "" : fmt::format("it has the tags {}", fmt::join(tags, ", "));
}

/// Settings and licence of Ollama's small layers; what cannot be kept is noted or refused.
Status take_layers(RegistrySession& session, const RegistryManifest& manifest, RemoteModel& model) {
  for (const RegistryLayer& layer : manifest.entries) {
    if (!layer.media_type.starts_with(kOllama)) continue;
    const std::string kind = layer.media_type.substr(kOllama.size());
    if (kind == "projector") {
      model.notes.emplace_back("its projector for images is left out; text works");
    } else if (kind == "adapter") {
      TRY(add_ollama_layer(model.settings, kind, layer.digest, model.notes));
    } else if (std::find(std::begin(kTextLayers), std::end(kTextLayers), kind) !=
               std::end(kTextLayers)) {
      if (layer.bytes > kLayerBytesMax) {
        return Error{ErrorCode::kRefused,
                     fmt::format("its {} has {}; at most {} are read", kind,
                                 base::human_bytes(layer.bytes), base::human_bytes(kLayerBytesMax)),
                     {}};
      }
      const io::HttpAnswer answer = TRY(session.get(
          fmt::format("{}/blobs/{}", session.root(), layer.digest), "*/*", kLayerBytesMax));
      TRY(check_digest(answer.body, layer.digest, "its " + kind));
      TRY(add_ollama_layer(model.settings, kind, answer.body, model.notes));
    }
  }
  return {};
}

}  // namespace

Result<RemoteModel> find_registry_model(const SourceServices& services,
                                        const Reference& reference) {
  const auto session = std::make_shared<RegistrySession>(services, reference);
  const std::string wanted = reference.digest.empty() ? reference.tag : reference.digest;
  Result<RegistryManifest> first = get_manifest(*session, wanted);
  if (!first.ok()) {
    Error error = std::move(first).error();
    if (error.code != ErrorCode::kNotFound || !reference.digest.empty()) return error;
    if (const std::string tags = other_tags(*session); !tags.empty()) error.hint = tags;
    return error;
  }
  RegistryManifest manifest = std::move(first).value();
  if (manifest.is_index) {
    const size_t chosen = TRY(choose_manifest(manifest, reference.text));
    const std::string digest = manifest.entries[chosen].digest;
    manifest = TRY(get_manifest(*session, digest));
    if (manifest.is_index) {
      return Error{ErrorCode::kRefused, reference.text + " is a list of lists",
                   "give a manifest's digest"};
    }
  }
  const RegistryLayer& layer = manifest.entries[TRY(choose_layer(manifest, reference.text))];
  RemoteModel model;
  model.reference = reference.text;
  const std::string_view repository = reference.repository;
  model.name = store_name_of(repository.substr(repository.rfind('/') + 1));
  if (const std::string tag = store_name_of(reference.tag); !tag.empty() && tag != kDefaultTag) {
    model.name += ":" + tag;
  }
  model.address = fmt::format("{}/blobs/{}", session->root(), layer.digest);
  model.bytes = layer.bytes;
  model.sha256 = layer.digest.substr(7);
  model.licence = manifest.licences;
  model.description = reference.text;
  model.refused_hint = session->login_hint();
  TRY(take_layers(*session, manifest, model));
  model.authorization = session->authorization();
  model.renew = [session] { return session->renew(); };
  return model;
}

}  // namespace freehold::store
