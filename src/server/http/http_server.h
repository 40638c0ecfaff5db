#pragma once
// HTTP/1.1 over TCP, TLS and a unix socket: connections, their limits and deadlines, and answers
// that stream with backpressure. What requests mean is the handler's. One thread of its own moves
// bytes; a few more run the handler, which may compute but must not wait for clients.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/http/exchange.h"
#include "server/http/request_reader.h"

namespace freehold::server {

/// Where it listens. A port of 0 takes a free one.
struct ListenAddress {
  std::string host = "127.0.0.1";
  uint16_t port = 0;
  std::string unix_path = {};  // instead of host and port
  bool tls = false;
};

struct HttpOptions {
  std::vector<ListenAddress> listen;
  RequestLimits limits;
  size_t connections_max = 2048;
  size_t handler_threads = 2;
  size_t answer_bytes_max = 256 * 1024;  // waiting to be sent, before a writer is told to wait
  int64_t idle_ms = 75'000;              // between requests
  int64_t head_ms = 10'000;              // from a request's first byte to the end of its head
  int64_t body_ms = 60'000;              // for the body after that
  int64_t write_ms = 30'000;             // without a byte taken by the client
  std::string certificate_path = {};     // PEM, with its chain; for listeners with TLS
  std::string private_key_path = {};
};

class HttpServer {
 public:
  using Handler = std::function<void(Request request, std::shared_ptr<Exchange> exchange)>;

  /// Binds, and starts to answer. kFailed with the address where it cannot be bound; kDamaged for
  /// certificates that cannot be used.
  static Result<std::unique_ptr<HttpServer>> create(HttpOptions options, Handler handler);
  /// Half made: create() is the way in.
  HttpServer();
  /// Closes what is open.
  ~HttpServer();

  /// The port of the first TCP address.
  uint16_t port() const;
  size_t connections() const;
  /// Takes no more connections and ends idle ones; requests under way go on.
  void drain();
  /// Whether any request is under way.
  bool busy() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace freehold::server
