#pragma once
// Bytes of a connection to requests, as hostile input: sizes are bounded before memory is taken,
// and what two readers could understand differently (request smuggling, RFC 9112 section 11.2) is
// refused. Stricter than Beast's parser, which it stands on. Pure; one thread.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/message.h"

namespace freehold::server {

struct RequestLimits {
  uint32_t header_bytes_max = 32 * 1024;
  uint64_t body_bytes_max = uint64_t{32} << 20;
  size_t headers_max = 100;
};

/// Why a request is refused before anybody sees it; the connection ends after it.
struct BadRequest {
  int status = 400;
  std::string message;
};

class RequestReader {
 public:
  explicit RequestReader(RequestLimits limits);
  ~RequestReader();

  /// Takes bytes from the front of `bytes` and leaves there what belongs to the next request.
  void push(std::string& bytes);

  /// A request is there, whole; take() it.
  bool complete() const { return complete_; }
  const std::optional<BadRequest>& bad() const { return bad_; }
  /// The head is there and the client waits for a word before it sends the body.
  bool wants_continue() const;
  /// Its head is there.
  bool has_head() const;
  /// Whether the connection may go on after this request.
  bool keep_alive() const;
  /// HTTP/1.0 knows no chunks.
  bool knows_chunks() const;

  /// The request; the reader is ready for the next.
  Request take();

 private:
  struct State;
  void start();
  void check_head();
  void refuse(int status, std::string message);

  RequestLimits limits_;
  std::unique_ptr<State> state_;
  std::optional<BadRequest> bad_;
  bool complete_ = false;
};

}  // namespace freehold::server
