#pragma once
// Bytes to and from one client, plain or through TLS. Callbacks come on the I/O thread, and so must
// calls; after close() none come but with an error.

#include <boost/asio/buffer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>

#include <functional>
#include <memory>

#include "base/result.h"

namespace freehold::server {

using StreamSocket = boost::asio::generic::stream_protocol::socket;

class Transport {
 public:
  using Done = std::function<void(const boost::system::error_code& error, size_t bytes)>;
  virtual ~Transport() = default;
  virtual void handshake(Done done) = 0;
  virtual void read_some(boost::asio::mutable_buffer into, Done done) = 0;
  virtual void write_some(boost::asio::const_buffer from, Done done) = 0;
  /// Nothing more will be written.
  virtual void finish_writing() = 0;
  virtual void close() = 0;
};

std::unique_ptr<Transport> make_plain_transport(StreamSocket socket);

/// A certificate and its key, read once.
class TlsContext {
 public:
  static Result<std::unique_ptr<TlsContext>> create(const std::string& certificate_path,
                                                    const std::string& private_key_path);
  TlsContext();
  ~TlsContext();
  std::unique_ptr<Transport> make_transport(StreamSocket socket);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace freehold::server
