#include "server/http/target.h"

#include <algorithm>

namespace freehold::server {

namespace {

int hex_digit(char letter) {
  if (letter >= '0' && letter <= '9') return letter - '0';
  if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
  if (letter >= 'A' && letter <= 'F') return letter - 'A' + 10;
  return -1;
}

/// "name:8484" to "name", "[::1]:8484" to "[::1]"; empty where it is neither.
std::string_view host_name(std::string_view host) {
  const bool bracketed = host.starts_with('[');
  const size_t end = bracketed ? host.find(']') : host.find(':');
  if (bracketed && end == std::string_view::npos) return {};
  const std::string_view name = host.substr(0, bracketed ? end + 1 : end);
  const std::string_view rest = host.substr(name.size());
  if (rest.empty()) return name;
  const bool digits = rest.size() > 1 && rest.front() == ':' &&
                      rest.find_first_not_of("0123456789", 1) == std::string_view::npos;
  return digits ? name : std::string_view();
}

/// Addresses cannot be made to point elsewhere, so a page that names one is this server's own.
bool is_address(std::string_view name) {
  if (name.starts_with('[')) {
    return name.find_first_not_of("0123456789abcdefABCDEF:.[]") == std::string_view::npos;
  }
  return !name.empty() && name.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool same_name(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char left, char right) {
    const auto small = [](char letter) {
      return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter + 32) : letter;
    };
    return small(left) == small(right);
  });
}

}  // namespace

std::optional<Target> split_target(std::string_view text) {
  if (!text.starts_with('/')) return std::nullopt;
  const size_t mark = text.find('?');
  Target target;
  if (mark != std::string_view::npos) target.query = std::string(text.substr(mark + 1));
  const std::string_view path = text.substr(0, mark);
  for (size_t at = 0; at < path.size(); ++at) {
    char letter = path[at];
    if (letter == '%') {
      const int high = at + 2 < path.size() ? hex_digit(path[at + 1]) : -1;
      const int low = at + 2 < path.size() ? hex_digit(path[at + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      letter = static_cast<char>(high * 16 + low);
      at += 2;
    }
    const auto byte = static_cast<unsigned char>(letter);
    if (byte < 0x20 || byte == 0x7F || letter == '#') return std::nullopt;
    target.path += letter;
  }
  return target;
}

OriginVerdict check_origin(const Request& request, const OriginPolicy& policy) {
  const std::string_view host = request.header("host");
  const std::string_view name = host_name(host);
  const bool known = same_name(name, "localhost") || is_address(name) ||
                     std::any_of(policy.hosts.begin(), policy.hosts.end(),
                                 [&](const std::string& one) { return same_name(one, name); });
  if (!known && !request.peer.local_socket) return OriginVerdict::kBadHost;
  const std::string_view origin = request.header("origin");
  if (origin.empty()) return OriginVerdict::kFine;
  const std::string own = (request.peer.tls ? "https://" : "http://") + std::string(host);
  if (same_name(origin, own)) return OriginVerdict::kFine;
  const bool allowed = std::any_of(policy.origins.begin(), policy.origins.end(),
                                   [&](const std::string& one) { return same_name(one, origin); });
  return allowed ? OriginVerdict::kForeign : OriginVerdict::kBadOrigin;
}

std::vector<Header> cross_origin_headers(const Request& request, OriginVerdict verdict) {
  if (verdict != OriginVerdict::kForeign) return {};
  return {{"Access-Control-Allow-Origin", std::string(request.header("origin"))},
          {"Vary", "Origin"}};
}

}  // namespace freehold::server
