#include "server/http/transport.h"

#include <fmt/format.h>

#include <boost/asio/ssl.hpp>

namespace freehold::server {

namespace asio = boost::asio;

namespace {

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(StreamSocket socket) : socket_(std::move(socket)) {}
  void handshake(Done done) override { done({}, 0); }
  void read_some(asio::mutable_buffer into, Done done) override {
    socket_.async_read_some(into, std::move(done));
  }
  void write_some(asio::const_buffer from, Done done) override {
    socket_.async_write_some(from, std::move(done));
  }
  void finish_writing() override {
    boost::system::error_code ignored;
    socket_.shutdown(StreamSocket::shutdown_send, ignored);
  }
  void close() override {
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

 private:
  StreamSocket socket_;
};

class TlsTransport final : public Transport {
 public:
  TlsTransport(StreamSocket socket, asio::ssl::context& context)
      : stream_(std::move(socket), context) {}
  void handshake(Done done) override {
    stream_.async_handshake(
        asio::ssl::stream_base::server,
        [done = std::move(done)](const boost::system::error_code& error) { done(error, 0); });
  }
  void read_some(asio::mutable_buffer into, Done done) override {
    stream_.async_read_some(into, std::move(done));
  }
  void write_some(asio::const_buffer from, Done done) override {
    stream_.async_write_some(from, std::move(done));
  }
  void finish_writing() override {
    boost::system::error_code ignored;
    stream_.next_layer().shutdown(StreamSocket::shutdown_send, ignored);
  }
  void close() override {
    boost::system::error_code ignored;
    stream_.next_layer().close(ignored);
  }

 private:
  asio::ssl::stream<StreamSocket> stream_;
};

}  // namespace

std::unique_ptr<Transport> make_plain_transport(StreamSocket socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

struct TlsContext::State {
  asio::ssl::context context{asio::ssl::context::tls_server};
};

TlsContext::TlsContext() : state_(std::make_unique<State>()) {}
TlsContext::~TlsContext() = default;

Result<std::unique_ptr<TlsContext>> TlsContext::create(const std::string& certificate_path,
                                                       const std::string& private_key_path) {
  auto made = std::make_unique<TlsContext>();
  asio::ssl::context& context = made->state_->context;
  const auto damaged = [](const char* what, const std::string& path, const std::string& why) {
    return Error{ErrorCode::kDamaged, fmt::format("{} {}: {}", what, path, why),
                 "give a PEM file that belongs to the other"};
  };
  boost::system::error_code error;
  SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  context.use_certificate_chain_file(certificate_path, error);
  if (error) return damaged("certificate", certificate_path, error.message());
  context.use_private_key_file(private_key_path, asio::ssl::context::pem, error);
  if (error) return damaged("private key", private_key_path, error.message());
  if (SSL_CTX_check_private_key(context.native_handle()) != 1) {
    return damaged("private key", private_key_path, "it is not the certificate's");
  }
  return made;
}

std::unique_ptr<Transport> TlsContext::make_transport(StreamSocket socket) {
  return std::make_unique<TlsTransport>(std::move(socket), state_->context);
}

}  // namespace freehold::server
