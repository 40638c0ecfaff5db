#pragma once
// Asking web servers, through libcurl: small answers whole. Large files come through
// io/http_download.h, headers of models through io/http_file.h; all three share the rules here.
// Redirects stay within http and https and never leave https once there; what authorises goes to
// the address's own host, port and scheme only. A proxy is taken from the environment as curl does
// (https_proxy, no_proxy, and http_proxy in small letters). Compressed answers are never asked for
// and never unpacked. A client belongs to one thread.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace freehold::io {

/// Whether `name` is an http or https address.
bool is_http_address(std::string_view name);

/// Whether both addresses have the same scheme, host and port; false where one is none.
bool is_same_origin(const std::string& a, const std::string& b);

/// kRefused for what is no address, has white space or control characters, or holds a password
/// (which would end in records and messages).
Status check_http_address(const std::string& address);

/// An address for messages: without query (which may be signed) and control characters.
std::string shown_address(std::string_view address);

struct HttpOptions {
  std::string authorization = {};  ///< the header's value ("Bearer …"); to the address's host only
  std::string ca_file = {};        ///< certificates to believe instead of the system's
  int connect_seconds = 15;
  int stall_seconds = 20;                   ///< this long (nearly) without a byte is given up
  size_t block_bytes = size_t{1} << 20;     ///< of http_file.h
  const std::atomic<bool>* stop = nullptr;  ///< true ends a transfer with kInterrupted
};

/// What an answer says of itself. Built line by line; hostile input.
struct HttpHead {
  struct Range {
    uint64_t first = 0, last = 0, total = 0;
    bool operator==(const Range&) const = default;
  };
  long status = 0;
  std::vector<std::pair<std::string, std::string>> fields;  ///< names in small letters
  std::string url;                                          ///< after redirects

  static constexpr size_t kBytesMax = 64 * 1024;  ///< of all lines of a row of redirects
  /// One line with its end; a status line begins anew. False where it is too much.
  bool add_line(std::string_view line);
  /// The first field of that name, trimmed; nothing where there is none.
  std::optional<std::string_view> find(std::string_view name) const;
  std::optional<Range> content_range() const;
  std::optional<uint64_t> content_length() const;
  /// Tells one version of a file from another: ETag and Last-Modified; may be empty.
  std::string version() const;
  /// Retry-After in seconds, at most an hour; 0 where there is none.
  int retry_after_seconds() const;

 private:
  size_t bytes_ = 0;
};

/// What a status means for a file or a question: kNotFound (404, 410), kRefused (401, 403, 451),
/// else kFailed, which trying again may mend.
Error status_error(const std::string& address, const HttpHead& head);

struct HttpRequest {
  std::string address;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string authorization = {};  ///< as in HttpOptions
  size_t bytes_max = size_t{4} << 20;
};

struct HttpAnswer {
  HttpHead head;
  std::string body;
};

class HttpClient {
 public:
  virtual ~HttpClient() = default;
  /// The answer, whatever its status. kFailed (the network), kRefused (larger than `bytes_max`, no
  /// address, compressed), kInterrupted.
  virtual Result<HttpAnswer> get(const HttpRequest& request) = 0;
};

/// The machine's network. `options.authorization` is not used; requests bring their own.
Result<std::unique_ptr<HttpClient>> make_http_client(const HttpOptions& options);

}  // namespace freehold::io
