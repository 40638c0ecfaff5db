// Heads of answers and addresses: what needs no network.

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "io/http_client.h"

namespace freehold::io {

namespace {

constexpr int kRetryAfterSecondsMax = 3600;
constexpr std::string_view kBlank = " \t\r\n";

/// "user@host:1" of "https://user@host:1/path".
std::string_view authority(std::string_view address) {
  const size_t start = address.find("://");
  if (start == std::string_view::npos) return {};
  address.remove_prefix(start + 3);
  return address.substr(0, address.find_first_of("/?#"));
}

}  // namespace

bool is_http_address(std::string_view name) {
  const std::string start = base::lower_case(name.substr(0, 8));
  return start.starts_with("http://") || start.starts_with("https://");
}

bool is_same_origin(const std::string& a, const std::string& b) {
  if (!is_http_address(a) || !is_http_address(b)) return false;
  const auto origin = [](std::string_view address) {
    const std::string scheme = base::lower_case(address.substr(0, address.find(':')));
    std::string host = base::lower_case(authority(address));
    const bool has_port = host.rfind(':') != std::string::npos && !host.ends_with(']');
    if (!has_port) host += scheme == "https" ? ":443" : ":80";
    return scheme + "://" + host;
  };
  return origin(a) == origin(b);
}

Status check_http_address(const std::string& address) {
  const bool plain = std::all_of(address.begin(), address.end(), [](char byte) {
    return static_cast<unsigned char>(byte) > 0x20 && byte != 0x7F;
  });
  if (!is_http_address(address) || !plain || authority(address).empty()) {
    return Error{
        ErrorCode::kRefused, base::printable(address) + " is no http or https address", {}};
  }
  if (authority(address).find('@') != std::string_view::npos) {
    return Error{ErrorCode::kRefused, "the address holds a user's name or password",
                 "leave it out; what authorises comes from the environment: FREEHOLD_TOKEN"};
  }
  return {};
}

std::string shown_address(std::string_view address) {
  std::string shown;
  for (const char byte : address.substr(0, std::min<size_t>(address.find_first_of("?#"), 300))) {
    shown += static_cast<unsigned char>(byte) <= 0x20 || byte == 0x7F ? '?' : byte;
  }
  return shown;
}

bool HttpHead::add_line(std::string_view line) {
  bytes_ += line.size();
  if (bytes_ > kBytesMax) return false;
  if (line.starts_with("HTTP/")) {
    // The next answer of a row of redirects.
    fields.clear();
    const size_t space = line.find(' ');
    const auto code = base::parse_unsigned(line.substr(std::min(space, line.size() - 1) + 1, 3));
    status = code.ok() ? static_cast<long>(*code) : 0;
    return true;
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return true;
  fields.emplace_back(base::lower_case(line.substr(0, colon)),
                      base::trimmed(line.substr(colon + 1), kBlank));
  return true;
}

std::optional<std::string_view> HttpHead::find(std::string_view name) const {
  for (const auto& [key, value] : fields) {
    if (key == name) return value;
  }
  return std::nullopt;
}

/// "bytes 0-1023/4096" (RFC 9110, section 14.4).
std::optional<HttpHead::Range> HttpHead::content_range() const {
  std::string_view value = find("content-range").value_or("");
  if (!value.starts_with("bytes ")) return std::nullopt;
  value.remove_prefix(6);
  const size_t dash = value.find('-');
  const size_t slash = value.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash)
    return std::nullopt;
  const auto first = base::parse_unsigned(value.substr(0, dash));
  const auto last = base::parse_unsigned(value.substr(dash + 1, slash - dash - 1));
  const auto total = base::parse_unsigned(value.substr(slash + 1));
  if (!first.ok() || !last.ok() || !total.ok() || *first > *last || *last >= *total)
    return std::nullopt;
  return Range{*first, *last, *total};
}

std::optional<uint64_t> HttpHead::content_length() const {
  const auto value = find("content-length");
  if (!value) return std::nullopt;
  const auto length = base::parse_unsigned(*value);
  if (!length.ok()) return std::nullopt;
  return *length;
}

std::string HttpHead::version() const {
  return fmt::format("{}\n{}\n", find("etag").value_or(""), find("last-modified").value_or(""));
}

int HttpHead::retry_after_seconds() const {
  const auto value = find("retry-after");
  if (!value) return 0;
  const auto seconds = base::parse_unsigned(*value);
  if (!seconds.ok()) return 0;  // A date: our own pauses do.
  return static_cast<int>(std::min<uint64_t>(*seconds, kRetryAfterSecondsMax));
}

Error status_error(const std::string& address, const HttpHead& head) {
  const auto failed = [&](ErrorCode kind, const char* hint) {
    return Error{kind, fmt::format("{} answers {}", shown_address(address), head.status), hint};
  };
  switch (head.status) {
    case 404:
    case 410:
      return failed(ErrorCode::kNotFound, "check the address");
    case 401:
    case 403:
      return failed(ErrorCode::kRefused, "it may want a token: set FREEHOLD_TOKEN");
    case 451:
      return failed(ErrorCode::kRefused, "it may not be served where you are");
    case 429:
      return failed(ErrorCode::kFailed, "it was asked too often; try again later");
    default:
      return failed(ErrorCode::kFailed, "try again later");
  }
}

}  // namespace freehold::io
