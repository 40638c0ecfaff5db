#include "io/http_exchange.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"

namespace freehold::io {

namespace {

constexpr long kRedirectsMax = 5;
/// Slower than this for the time of a stall is no link that brings a model.
constexpr long kBytesPerSecondMin = 128;

/// Once in the process, before any handle; libcurl's own requirement.
void start_curl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)started;
}

/// A line end in a value would begin a header of its own.
Status check_header(const std::string& value) {
  const bool plain = std::all_of(value.begin(), value.end(), [](char byte) {
    return static_cast<unsigned char>(byte) >= 0x20 && byte != 0x7F;
  });
  if (plain) return {};
  return Error{ErrorCode::kRefused, "a token or login holds control characters",
               "look at the variable that it comes from"};
}

}  // namespace

size_t HttpExchange::take_header(char* data, size_t size, size_t count, void* user) {
  HttpExchange& self = *static_cast<HttpExchange*>(user);
  const std::string_view line(data, size * count);
  if (self.head_.add_line(line)) return line.size();
  self.head_too_long_ = true;
  return 0;
}

size_t HttpExchange::take_body(char* data, size_t size, size_t count, void* user) {
  HttpExchange& self = *static_cast<HttpExchange*>(user);
  const size_t bytes = size * count;
  if (self.body_({reinterpret_cast<const std::byte*>(data), bytes})) return bytes;
  self.body_ended_ = true;
  return 0;
}

int HttpExchange::look_at_stop(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const HttpExchange& self = *static_cast<HttpExchange*>(user);
  return self.options_.stop != nullptr && self.options_.stop->load() ? 1 : 0;
}

Result<std::unique_ptr<HttpExchange>> HttpExchange::create(const HttpOptions& options) {
  start_curl();
  auto exchange = std::make_unique<HttpExchange>(options);
  exchange->curl_ = curl_easy_init();
  if (exchange->curl_ == nullptr) return Error{ErrorCode::kFailed, "libcurl cannot be used", {}};
  return exchange;
}

HttpExchange::~HttpExchange() {
  curl_slist_free_all(headers_);
  if (curl_ != nullptr) curl_easy_cleanup(curl_);
}

Status HttpExchange::prepare(const HttpRequest& request, const std::string& range, Body body) {
  TRY(check_http_address(request.address));
  address_ = request.address;
  head_ = {};
  body_ = std::move(body);
  head_too_long_ = body_ended_ = false;
  message_[0] = '\0';
  curl_slist_free_all(headers_);
  headers_ = nullptr;
  const auto add_header = [&](const std::string& name, const std::string& value) {
    headers_ = curl_slist_append(headers_, fmt::format("{}: {}", name, value).c_str());
  };
  TRY(check_header(request.authorization));
  for (const auto& [name, value] : request.headers) {
    TRY(check_header(value));
    add_header(name, value);
  }
  // libcurl keeps this header from other hosts, ports and schemes when it follows redirects.
  if (!request.authorization.empty()) add_header("Authorization", request.authorization);
  const bool https = address_.size() > 5 && (address_[4] == 's' || address_[4] == 'S');
  const auto set = [&](auto option, auto value) {
    return curl_easy_setopt(curl_, option, value) == CURLE_OK;
  };
  const bool fine = set(CURLOPT_URL, address_.c_str()) && set(CURLOPT_NOSIGNAL, 1L) &&
                    set(CURLOPT_PROTOCOLS_STR, "http,https") &&
                    set(CURLOPT_REDIR_PROTOCOLS_STR, https ? "https" : "http,https") &&
                    set(CURLOPT_FOLLOWLOCATION, 1L) && set(CURLOPT_MAXREDIRS, kRedirectsMax) &&
                    set(CURLOPT_CONNECTTIMEOUT, long{options_.connect_seconds}) &&
                    set(CURLOPT_LOW_SPEED_LIMIT, kBytesPerSecondMin) &&
                    set(CURLOPT_LOW_SPEED_TIME, long{options_.stall_seconds}) &&
                    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L) &&
                    set(CURLOPT_USERAGENT, "freehold") && set(CURLOPT_ERRORBUFFER, message_) &&
                    set(CURLOPT_HTTPHEADER, headers_) &&
                    set(CURLOPT_RANGE, range.empty() ? nullptr : range.c_str()) &&
                    set(CURLOPT_HEADERFUNCTION, take_header) && set(CURLOPT_HEADERDATA, this) &&
                    set(CURLOPT_WRITEFUNCTION, take_body) && set(CURLOPT_WRITEDATA, this) &&
                    set(CURLOPT_NOPROGRESS, 0L) && set(CURLOPT_XFERINFOFUNCTION, look_at_stop) &&
                    set(CURLOPT_XFERINFODATA, this);
  const bool trusted = options_.ca_file.empty() || set(CURLOPT_CAINFO, options_.ca_file.c_str());
  if (fine && trusted) return {};
  return Error{ErrorCode::kFailed, "libcurl does not know an option of ours",
               "install libcurl 7.85 or newer"};
}

CURLcode HttpExchange::perform() { return curl_easy_perform(curl_); }

Status HttpExchange::outcome(CURLcode code) {
  const char* effective = nullptr;
  if (curl_easy_getinfo(curl_, CURLINFO_EFFECTIVE_URL, &effective) == CURLE_OK &&
      effective != nullptr) {
    head_.url = effective;
  }
  if (code == CURLE_ABORTED_BY_CALLBACK) {
    return Error{ErrorCode::kInterrupted, "the transfer was stopped", {}};
  }
  if (head_too_long_) {
    return Error{ErrorCode::kRefused,
                 fmt::format("{} answers with more than {} of headers", shown_address(address_),
                             base::human_bytes(HttpHead::kBytesMax)),
                 {}};
  }
  if (code == CURLE_OK || (code == CURLE_WRITE_ERROR && body_ended_)) return {};
  const char* const said = message_[0] != '\0' ? message_ : curl_easy_strerror(code);
  return Error{ErrorCode::kFailed,
               fmt::format("{}: {}", shown_address(address_), base::printable(said, 200)),
               "check the address and the network"};
}

}  // namespace freehold::io
