#pragma once
// A file behind an http or https address, read by ranges through libcurl: what it takes to look at
// a model's header without fetching the model. The server must serve ranges and say how long the
// file is; a file that changes between two ranges is an error. Redirects stay within http and https
// and never leave https once there. A proxy is taken from the environment as curl does
// (https_proxy, no_proxy). Blocks that were read are kept, a few at a time.

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/file.h"

namespace freehold::io {

/// Whether `name` is an address that open_http_file() takes.
bool is_http_address(std::string_view name);

struct HttpOptions {
  std::string token = {};  // sent as "Authorization: Bearer", never to another host
  int connect_seconds = 15;
  int stall_seconds = 20;  // this long without a byte is given up
  size_t block_bytes = size_t{1} << 20;
  const std::atomic<bool>* stop = nullptr;  // true ends a transfer with kInterrupted
};

/// Asks for the first block. Errors: kNotFound (404, 410), kRefused (401, 403, a server that serves
/// no ranges, an address that is none), kDamaged (answers that contradict each other), kFailed (the
/// network, with what it said).
Result<std::unique_ptr<ReadableFile>> open_http_file(const std::string& address,
                                                     const HttpOptions& options);

}  // namespace freehold::io
