#pragma once
// A large file behind an http or https address, brought in order: several ranges in flight where
// the server serves ranges, one stream where it does not. One try: who calls goes on after a
// failure from where the bytes ended. Keeps at most `connections` ranges in memory. A file that
// changes on the way is an error. One thread.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/result.h"
#include "io/http_client.h"

namespace freehold::io {

struct DownloadOptions {
  HttpOptions http = {};
  size_t connections = 4;
  /// Long enough that its round trip does not count, short enough to keep a few in memory.
  size_t range_bytes = size_t{4} << 20;
};

class HttpDownload {
 public:
  using Take = std::function<Status(std::span<const std::byte>)>;

  /// Asks for the first byte. Errors as status_error(); kRefused where the server does not say how
  /// long the file is or packs it, kDamaged for answers that contradict each other. `head` becomes
  /// what was answered; its status stays 0 where nobody did.
  static Result<std::unique_ptr<HttpDownload>> open(const std::string& address,
                                                    const DownloadOptions& options, HttpHead& head);
  virtual ~HttpDownload() = default;

  virtual uint64_t size() const = 0;
  /// Tells this version of the file from others; without an ETag or a time it is the size alone.
  virtual std::string version() const = 0;
  /// Whether the server serves ranges; otherwise every read() begins at the file's first byte and
  /// passes over what is not wanted.
  virtual bool serves_ranges() const = 0;
  /// Hands over the bytes from `from` to the end, in order. A Status from `take` ends it.
  virtual Status read(uint64_t from, const Take& take) = 0;
  /// Another value for the header, when the old one ran out.
  virtual void set_authorization(const std::string& authorization) = 0;
  /// What the last answer that failed wants us to wait; 0 where it does not say.
  virtual int retry_after_seconds() const = 0;
};

}  // namespace freehold::io
