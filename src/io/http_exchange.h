#pragma once
// One libcurl handle that is used for one GET after another: options, head, errors. What all users
// of HTTP share. Internal to io. Not thread-safe.

#include <curl/curl.h>

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "io/http_client.h"

namespace freehold::io {

class HttpExchange {
 public:
  /// Takes a piece of the body, after the last head of a row of redirects; false ends the transfer.
  using Body = std::function<bool(std::span<const std::byte>)>;

  static Result<std::unique_ptr<HttpExchange>> create(const HttpOptions& options);
  /// Without a handle; create() makes whole ones.
  explicit HttpExchange(const HttpOptions& options) : options_(options) {}
  ~HttpExchange();
  HttpExchange(const HttpExchange&) = delete;
  HttpExchange& operator=(const HttpExchange&) = delete;

  /// Readies a GET. `range`: "0-1023", or empty for all. `authorization` as in HttpOptions.
  Status prepare(const HttpRequest& request, const std::string& range, Body body);
  CURL* handle() const { return curl_; }
  /// Runs it to its end; the same as adding handle() to a multi handle.
  CURLcode perform();
  /// What became of it: transport failures as errors. `body_ended` tells a body that asked to end
  /// the transfer from a failure.
  Status outcome(CURLcode code);
  const HttpHead& head() const { return head_; }
  bool body_ended() const { return body_ended_; }

 private:
  static size_t take_header(char* data, size_t size, size_t count, void* user);
  static size_t take_body(char* data, size_t size, size_t count, void* user);
  static int look_at_stop(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t);

  const HttpOptions options_;
  CURL* curl_ = nullptr;
  curl_slist* headers_ = nullptr;
  std::string address_;
  HttpHead head_;
  Body body_;
  bool head_too_long_ = false;
  bool body_ended_ = false;
  char message_[CURL_ERROR_SIZE] = {};
};

}  // namespace freehold::io
