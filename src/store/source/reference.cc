#include "store/source/reference.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "io/http_client.h"
#include "store/name.h"
#include "store/sha256.h"

namespace freehold::store {

namespace {

constexpr size_t kTextBytesMax = 2048;
constexpr size_t kPartBytesMax = 128;  // of a user, a repository, a tag: the registries' own limits
constexpr std::string_view kHubHosts[] = {"hf.co", "huggingface.co", "www.huggingface.co"};
constexpr std::string_view kOllamaHosts[] = {"ollama.com", "www.ollama.com", "registry.ollama.ai"};

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// One part of a repository's name, a tag, a revision: never a step up, never hidden.
bool is_part(std::string_view text) {
  return !text.empty() && text.size() <= kPartBytesMax &&
         (is_letter_or_digit(text[0]) || text[0] == '_') && text.find("..") == text.npos &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return is_letter_or_digit(c) || c == '.' || c == '_' || c == '-';
         });
}

/// A file inside a repository: parts that are no steps up; its bytes are a server's business.
bool is_file(std::string_view text) {
  for (const std::string_view part : base::split(text, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
  }
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F && c != '\\';
  });
}

bool is_host(std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view name = text.substr(0, colon);
  if (name.empty() || name.size() > 253 || !is_letter_or_digit(name[0])) return false;
  if (!std::all_of(name.begin(), name.end(),
                   [](char c) { return is_letter_or_digit(c) || c == '.' || c == '-'; })) {
    return false;
  }
  if (colon == std::string_view::npos) return true;
  const auto port = base::parse_unsigned(text.substr(colon + 1));
  return port.ok() && *port >= 1 && *port <= 65535;
}

/// Whether the part before the first '/' is meant as a host and not as a folder.
bool looks_like_host(std::string_view text) {
  return text == "localhost" || text.find_first_of(".:") != std::string_view::npos;
}

template <size_t N>
bool is_one_of(std::string_view text, const std::string_view (&list)[N]) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

Error no_reference(std::string_view text, const char* grammar) {
  return Error{ErrorCode::kUsage,
               fmt::format("{} is not a model's reference", base::printable(text)),
               fmt::format("it is written {}", grammar)};
}

/// "USER/REPO[@REVISION][:QUANT|:FILE|/FILE]", behind the host.
Result<Reference> parse_hub(std::string_view text, std::string_view whole) {
  const Error wrong = no_reference(whole, "hf.co/USER/REPO[@REVISION][:QUANT or :FILE.gguf]");
  Reference reference{.kind = ReferenceKind::kHub};
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return wrong;
  const std::string_view user = text.substr(0, slash);
  text.remove_prefix(slash + 1);
  const size_t end = text.find_first_of("@:/");
  const std::string_view repository = text.substr(0, end);
  text.remove_prefix(std::min(end, text.size()));
  if (!is_part(user) || !is_part(repository)) return wrong;
  reference.repository = fmt::format("{}/{}", user, repository);
  if (take_prefix(text, "@")) {
    const size_t stop = text.find_first_of(":/");
    reference.revision = text.substr(0, stop);
    text.remove_prefix(std::min(stop, text.size()));
    if (!is_part(reference.revision)) return wrong;
  }
  if (text == "/") text = {};
  if (!text.empty()) {
    const std::string_view choice = text.substr(1);
    const bool file = text[0] == '/' || choice.ends_with(".gguf");
    if (file ? !is_file(choice) : !is_part(choice)) return wrong;
    (file ? reference.file : reference.tag) = choice;
  }
  reference.text = fmt::format("hf.co/{}", reference.repository);
  if (!reference.revision.empty()) reference.text += "@" + reference.revision;
  if (!reference.tag.empty()) reference.text += ":" + reference.tag;
  if (!reference.file.empty()) reference.text += "/" + reference.file;
  return reference;
}

/// %XX to bytes, as people copy addresses; nothing where it is none.
std::optional<std::string> decode_address_part(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto digit = [](char c) {
      const size_t at = std::string_view("0123456789abcdef").find(base::lower_case(c));
      return at == std::string_view::npos ? -1 : static_cast<int>(at);
    };
    if (i + 2 >= text.size() || digit(text[i + 1]) < 0 || digit(text[i + 2]) < 0)
      return std::nullopt;
    out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
    i += 2;
  }
  return out;
}

/// The pages of a hub that people copy: of a repository, or of a file in it.
Result<std::optional<Reference>> parse_hub_page(std::string_view path, std::string_view whole) {
  path = path.substr(0, path.find_first_of("?#"));
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::vector<std::string_view> parts = base::split(path, '/');
  if (parts.size() < 2) return std::optional<Reference>();
  const bool file = parts.size() > 4 && (parts[2] == "resolve" || parts[2] == "blob");
  if (!file && parts.size() != 2) return std::optional<Reference>();
  std::string text = fmt::format("{}/{}", parts[0], parts[1]);
  if (file) {
    const size_t start = parts[0].size() + parts[1].size() + parts[2].size() + parts[3].size() + 4;
    const auto name = decode_address_part(path.substr(start));
    if (!name) return no_reference(whole, "https://huggingface.co/USER/REPO/resolve/main/FILE");
    if (parts[3] != "main") text += fmt::format("@{}", parts[3]);
    text += "/" + *name;
  }
  return std::optional<Reference>(TRY(parse_hub(text, whole)));
}

/// "HOST[:PORT]/NAME[:TAG|@DIGEST]".
Result<Reference> parse_registry(std::string_view text, std::string_view whole) {
  const Error wrong = no_reference(whole, "HOST[:PORT]/NAME[:TAG or @sha256:DIGEST]");
  Reference reference{.kind = ReferenceKind::kRegistry};
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return wrong;
  reference.host = text.substr(0, slash);
  text.remove_prefix(slash + 1);
  if (const size_t at = text.find('@'); at != std::string_view::npos) {
    reference.digest = text.substr(at + 1);
    text = text.substr(0, at);
    const bool known = std::string_view(reference.digest).starts_with("sha256:");
    if (!known || !is_sha256(std::string_view(reference.digest).substr(7))) return wrong;
  }
  if (const size_t colon = text.rfind(':'); colon != std::string_view::npos) {
    reference.tag = text.substr(colon + 1);
    text = text.substr(0, colon);
    if (!is_part(reference.tag)) return wrong;
  }
  for (const std::string_view part : base::split(text, '/')) {
    if (!is_part(part)) return wrong;
  }
  if (!is_host(reference.host)) return wrong;
  reference.repository = text;
  if (is_one_of(reference.host, kOllamaHosts)) {
    reference.host = "registry.ollama.ai";
    if (text.find('/') == std::string_view::npos)
      reference.repository = fmt::format("library/{}", text);
  }
  const std::string shown_host = reference.host;
  if (reference.host == "docker.io") {
    reference.host = "registry-1.docker.io";
    if (text.find('/') == std::string_view::npos)
      reference.repository = fmt::format("library/{}", text);
  }
  if (reference.tag.empty() && reference.digest.empty()) reference.tag = kDefaultTag;
  // Without its scheme a short host would read as a folder, a hub's as a repository of the hub.
  const bool plain = looks_like_host(shown_host) && !is_one_of(shown_host, kHubHosts);
  reference.text = fmt::format("{}{}/{}", plain ? "" : "oci://", shown_host, reference.repository);
  if (!reference.tag.empty()) reference.text += ":" + reference.tag;
  if (!reference.digest.empty()) reference.text += "@" + reference.digest;
  return reference;
}

}  // namespace

Result<std::optional<Reference>> parse_reference(std::string_view text) {
  if (text.size() > kTextBytesMax) {
    return Error{
        ErrorCode::kUsage,
        fmt::format("a reference has at most {} bytes, this one {}", kTextBytesMax, text.size()),
        {}};
  }
  if (io::is_http_address(text)) {
    const std::string_view rest = text.substr(text.find("//") + 2);
    const size_t slash = std::min(rest.find('/'), rest.size() - 1);
    if (is_one_of(rest.substr(0, slash), kHubHosts)) {
      auto page = TRY(parse_hub_page(rest.substr(slash + 1), text));
      if (page) return page;
    }
    return std::optional<Reference>({.kind = ReferenceKind::kAddress, .text = std::string(text)});
  }
  std::string_view rest = text;
  if (take_prefix(rest, "hf://") || take_prefix(rest, "hf:")) {
    return std::optional<Reference>(TRY(parse_hub(rest, text)));
  }
  if (take_prefix(rest, "oci://")) {
    return std::optional<Reference>(TRY(parse_registry(rest, text)));
  }
  const size_t slash = text.find('/');
  const std::string_view first = text.substr(0, slash);
  if (slash == std::string_view::npos || first.empty() || !is_letter_or_digit(first[0])) {
    return std::optional<Reference>();
  }
  if (is_one_of(first, kHubHosts)) {
    return std::optional<Reference>(TRY(parse_hub(text.substr(slash + 1), text)));
  }
  if (!looks_like_host(first)) return std::optional<Reference>();
  return std::optional<Reference>(TRY(parse_registry(text, text)));
}

bool is_reference(std::string_view text) {
  const auto parsed = parse_reference(text);
  return !parsed.ok() || parsed->has_value();
}

std::string encode_address_part(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (is_letter_or_digit(c) || c == '-' || c == '.' || c == '_' || c == '~' || c == '/') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string store_name_of(std::string_view text) {
  std::string name;
  for (const char byte : text.substr(0, kNamePartBytesMax)) {
    const bool joins = byte == '-' || byte == '_' || (byte == '.' && !name.ends_with('.'));
    if (is_letter_or_digit(byte)) {
      name += base::lower_case(byte);
    } else if (joins && !name.empty()) {
      name += byte;
    } else if (!name.empty()) {
      name += '-';
    }
  }
  return name;
}

}  // namespace freehold::store
