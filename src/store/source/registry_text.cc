// What registries say, read: challenges, manifests, logins. No network.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/text.h"
#include "store/sha256.h"
#include "store/source/registry.h"

namespace freehold::store {

namespace {

constexpr size_t kEntriesMax = 1000;
constexpr size_t kChallengesMax = 16;
constexpr size_t kParametersMax = 16;
constexpr std::string_view kOllama = "application/vnd.ollama.image.";

/// RFC 9110's token characters, and '/' and '=' that tokens of old logins use.
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~/").find(c) != std::string_view::npos;
}

/// Reads a header's value from its front.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : text_(text) {}
  bool done() const { return text_.empty(); }
  void skip(std::string_view characters) {
    text_.remove_prefix(std::min(text_.find_first_not_of(characters), text_.size()));
  }
  std::string word() {
    const auto end = std::find_if_not(text_.begin(), text_.end(), is_word);
    const std::string out(text_.begin(), end);
    text_.remove_prefix(out.size());
    return out;
  }
  bool take(char c) {
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  /// A quoted string or a word; nothing where the quotes do not end.
  std::optional<std::string> value() {
    if (!take('"')) return word();
    std::string out;
    while (!text_.empty() && text_[0] != '"') {
      if (text_[0] == '\\' && text_.size() > 1) text_.remove_prefix(1);
      out += text_[0];
      text_.remove_prefix(1);
    }
    if (!take('"')) return std::nullopt;
    return out;
  }

 private:
  std::string_view text_;
};

bool is_digest(std::string_view text) {
  return text.starts_with("sha256:") && is_sha256(text.substr(7));
}

std::string annotation(const base::JsonValue& value, std::string_view key) {
  const base::JsonValue* const all = value.find("annotations");
  return all == nullptr ? std::string() : std::string(all->find_string(key).value_or(""));
}

Error no_manifest(const std::string& what) {
  return {ErrorCode::kDamaged, fmt::format("the registry's manifest is none: {}", what),
          "check the reference; if it is right, the registry is broken"};
}

Result<RegistryLayer> read_entry(const base::JsonValue& value) {
  RegistryLayer layer;
  layer.media_type = value.find_string("mediaType").value_or("");
  layer.digest = value.find_string("digest").value_or("");
  if (!is_digest(layer.digest)) {
    return no_manifest(base::printable(layer.digest) + " is no SHA-256 digest");
  }
  const auto bytes = value.find_unsigned("size");
  if (!bytes) return no_manifest("an entry without a size");
  layer.bytes = *bytes;
  layer.title = annotation(value, "org.opencontainers.image.title");
  if (const base::JsonValue* const platform = value.find("platform")) {
    layer.platform = fmt::format("{}/{}", platform->find_string("os").value_or(""),
                                 platform->find_string("architecture").value_or(""));
  }
  return layer;
}

bool is_gguf(const RegistryLayer& layer) {
  return layer.media_type == std::string(kOllama) + "model" ||
         layer.media_type.find("gguf") != std::string::npos ||
         base::lower_case(layer.title).ends_with(".gguf");
}

std::string describe(const RegistryManifest& manifest) {
  std::vector<std::string> lines;
  for (const RegistryLayer& layer : manifest.entries) {
    if (lines.size() == 12) break;
    lines.push_back(fmt::format(
        "{} ({})", base::printable(layer.title.empty() ? layer.media_type : layer.title),
        base::human_bytes(layer.bytes)));
  }
  return fmt::format("it has {} layers: {}", manifest.entries.size(), fmt::join(lines, ", "));
}

/// "host:5000" of "https://host:5000/v1/".
std::string_view host_of_key(std::string_view key) {
  if (const size_t scheme = key.find("://"); scheme != std::string_view::npos) {
    key.remove_prefix(scheme + 3);
  }
  return key.substr(0, key.find('/'));
}

bool is_login(std::string_view text) {
  const size_t colon = text.find(':');
  return colon != std::string_view::npos && colon > 0 &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

}  // namespace

std::string_view Challenge::find(std::string_view name) const {
  for (const auto& [key, value] : parameters) {
    if (key == name) return value;
  }
  return {};
}

std::vector<Challenge> parse_challenges(std::string_view value) {
  std::vector<Challenge> challenges;
  HeaderReader reader(value);
  while (challenges.size() < kChallengesMax) {
    reader.skip(" \t,");
    const std::string word = reader.word();
    if (word.empty()) break;
    reader.skip(" \t");
    if (!reader.take('=')) {
      challenges.push_back({.scheme = base::lower_case(word)});
      continue;
    }
    // A parameter of the challenge before; without one, nothing that we can read.
    reader.skip(" \t");
    const auto content = reader.value();
    if (!content || challenges.empty() || challenges.back().parameters.size() == kParametersMax)
      break;
    challenges.back().parameters.emplace_back(base::lower_case(word), *content);
  }
  return challenges;
}

Result<RegistryManifest> parse_manifest(std::string_view body) {
  const base::JsonValue root =
      TRY(base::JsonValue::parse(body, {.bytes_max = size_t{4} << 20, .depth_max = 16}));
  if (!root.is_object()) return no_manifest("not an object");
  if (root.find_unsigned("schemaVersion").value_or(0) != 2) {
    return no_manifest("its schemaVersion is not 2");
  }
  RegistryManifest manifest;
  const base::JsonValue* entries = root.find("layers");
  if (entries == nullptr) {
    entries = root.find("manifests");
    manifest.is_index = entries != nullptr;
  }
  if (entries == nullptr || !entries->is_array()) return no_manifest("it lists no layers");
  if (entries->elements().size() > kEntriesMax) return no_manifest("too many layers");
  for (const base::JsonValue& value : entries->elements()) {
    manifest.entries.push_back(TRY(read_entry(value)));
  }
  manifest.licences = annotation(root, "org.opencontainers.image.licenses");
  return manifest;
}

Result<size_t> choose_layer(const RegistryManifest& manifest, const std::string& reference) {
  std::vector<size_t> found;
  for (size_t i = 0; i < manifest.entries.size(); ++i) {
    if (is_gguf(manifest.entries[i])) found.push_back(i);
  }
  // A lone file without a name, as some tools push it.
  if (found.empty() && manifest.entries.size() == 1 &&
      manifest.entries[0].media_type == "application/octet-stream") {
    found.push_back(0);
  }
  const auto refuse = [&](const char* what) {
    return Error{ErrorCode::kRefused, fmt::format("{} {}", base::printable(reference, 200), what),
                 describe(manifest)};
  };
  if (found.empty()) return refuse("holds no GGUF file");
  if (found.size() > 1) return refuse("holds several model files; the store keeps a model in one");
  const std::string& type = manifest.entries[found[0]].media_type;
  if (type.ends_with("gzip") || type.ends_with("zstd")) return refuse("is packed");
  return found[0];
}

Result<size_t> choose_manifest(const RegistryManifest& index, const std::string& reference) {
  std::vector<size_t> real;
  for (size_t i = 0; i < index.entries.size(); ++i) {
    // Attestations stand beside what they speak of, for no machine.
    if (index.entries[i].platform != "unknown/unknown") real.push_back(i);
  }
  if (real.size() == 1) return real[0];
  for (const size_t i : real) {
    if (index.entries[i].platform == "linux/amd64") return i;
  }
  std::vector<std::string> choices;
  for (const size_t i : real) {
    if (choices.size() == 12) break;
    choices.push_back(
        fmt::format("@{} {}", index.entries[i].digest, base::printable(index.entries[i].platform)));
  }
  return Error{
      ErrorCode::kUsage,
      fmt::format("{} is a list of {} manifests", base::printable(reference, 200), real.size()),
      fmt::format("say which: {}", fmt::join(choices, ", "))};
}

std::optional<std::string> find_login(std::string_view variable, std::string_view docker_config,
                                      std::string_view host) {
  if (const size_t at = variable.rfind('@'); at != std::string_view::npos) {
    const std::string_view login = variable.substr(0, at);
    if (variable.substr(at + 1) == host && is_login(login)) return std::string(login);
  }
  const auto config =
      base::JsonValue::parse(docker_config, {.bytes_max = 1u << 20, .depth_max = 16});
  const base::JsonValue* const auths = config.ok() ? config->find("auths") : nullptr;
  if (auths == nullptr) return std::nullopt;
  const std::string_view alias = host == "registry-1.docker.io" ? "index.docker.io" : host;
  for (const base::JsonMember& member : auths->members()) {
    if (host_of_key(member.key) != host && host_of_key(member.key) != alias) continue;
    const auto login = base::decode_base64(member.value.find_string("auth").value_or(""));
    if (login && is_login(*login)) return login;
  }
  return std::nullopt;
}

}  // namespace freehold::store
