#include "server/http/http_server.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>

#include <vector>

#include "server/http/connection.h"

namespace freehold::server {

namespace asio = boost::asio;
using asio::ip::tcp;
using LocalSocket = asio::local::stream_protocol;
using boost::system::error_code;

namespace {

/// After an accept that failed for want of descriptors or memory.
constexpr int64_t kAcceptPause_ms = 100;

Error cannot_bind(const std::string& where, const error_code& error) {
  return {ErrorCode::kFailed, fmt::format("cannot listen on {}: {}", where, error.message()),
          "another program may be there; choose another with --port"};
}

}  // namespace

struct HttpServer::State : ConnectionShared {
  std::unique_ptr<TlsContext> tls;
  struct Door {
    std::optional<tcp::acceptor> tcp_acceptor;
    std::optional<LocalSocket::acceptor> local_acceptor;
    bool with_tls = false;
  };
  std::vector<std::unique_ptr<Door>> doors;
  std::vector<std::string> unix_paths;
  std::optional<asio::steady_timer> pause;
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work;
  uint16_t first_port = 0;
  device::Thread thread;

  Status open_tcp(const ListenAddress& address);
  Status open_local(const ListenAddress& address);
  void accept_tcp(Door& door);
  void accept_local(Door& door);
  void admit(StreamSocket socket, Peer peer);
  template <class Again>
  void after_accept(const error_code& error, Again again);
};

Status HttpServer::State::open_tcp(const ListenAddress& address) {
  error_code error;
  const std::string where = fmt::format("{}:{}", address.host, address.port);
  const auto ip =
      asio::ip::make_address(address.host == "localhost" ? "127.0.0.1" : address.host, error);
  if (error) {
    return Error{ErrorCode::kUsage, fmt::format("'{}' is no address", address.host),
                 "give an IP address, as in 127.0.0.1"};
  }
  auto door = std::make_unique<Door>();
  door->with_tls = address.tls;
  auto& acceptor = door->tcp_acceptor.emplace(io);
  const tcp::endpoint endpoint(ip, address.port);
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return cannot_bind(where, error);
  if (first_port == 0) first_port = acceptor.local_endpoint().port();
  doors.push_back(std::move(door));
  return {};
}

Status HttpServer::State::open_local(const ListenAddress& address) {
  error_code error;
  const std::string& path = address.unix_path;
  if (path.size() >= sizeof(sockaddr_un{}.sun_path)) {
    return Error{ErrorCode::kUsage, fmt::format("the socket's path {} is too long", path),
                 "choose a shorter FREEHOLD_HOME"};
  }
  LocalSocket::socket probe(io);
  probe.connect(LocalSocket::endpoint(path), error);
  if (!error) return cannot_bind(path, asio::error::address_in_use);
  // Nobody answers there: a socket that a killed server left.
  if (error == asio::error::connection_refused) ::unlink(path.c_str());
  auto door = std::make_unique<Door>();
  auto& acceptor = door->local_acceptor.emplace(io);
  acceptor.open(LocalSocket(), error);
  if (!error) acceptor.bind(LocalSocket::endpoint(path), error);
  // Nobody can connect before listen(), so that the mode is right from the first moment.
  if (!error && ::chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0) {
    error = error_code(errno, boost::system::system_category());
  }
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  if (error) return cannot_bind(path, error);
  unix_paths.push_back(path);
  doors.push_back(std::move(door));
  return {};
}

template <class Again>
void HttpServer::State::after_accept(const error_code& error, Again again) {
  if (error == asio::error::operation_aborted || draining.load()) return;
  if (!error) return again();
  pause.emplace(io);
  pause->expires_after(std::chrono::milliseconds(kAcceptPause_ms));
  pause->async_wait([again](const error_code& cancelled) {
    if (!cancelled) again();
  });
}

void HttpServer::State::accept_tcp(Door& door) {
  door.tcp_acceptor->async_accept([this, &door](const error_code& error, tcp::socket socket) {
    if (!error) {
      error_code ignored;
      socket.set_option(tcp::no_delay(true), ignored);
      const auto remote = socket.remote_endpoint(ignored);
      Peer peer;
      peer.loopback = remote.address().is_loopback();
      peer.address = remote.address().to_string();
      peer.tls = door.with_tls;
      admit(StreamSocket(std::move(socket)), std::move(peer));
    }
    after_accept(error, [this, &door] { accept_tcp(door); });
  });
}

void HttpServer::State::accept_local(Door& door) {
  door.local_acceptor->async_accept(
      [this, &door](const error_code& error, LocalSocket::socket socket) {
        if (!error) {
          Peer peer;
          peer.local_socket = peer.loopback = true;
          peer.address = "unix";
          admit(StreamSocket(std::move(socket)), std::move(peer));
        }
        after_accept(error, [this, &door] { accept_local(door); });
      });
}

void HttpServer::State::admit(StreamSocket socket, Peer peer) {
  const bool secure = peer.tls;
  auto transport =
      secure ? tls->make_transport(std::move(socket)) : make_plain_transport(std::move(socket));
  const auto connection =
      std::make_shared<Connection>(*this, std::move(transport), std::move(peer));
  open.insert(connection);
  const bool too_many = connections.fetch_add(1) >= options.connections_max;
  if (too_many && secure) return connection->close();
  if (too_many) return connection->refuse_busy();
  connection->start();
}

HttpServer::HttpServer() : state_(std::make_unique<State>()) {}

Result<std::unique_ptr<HttpServer>> HttpServer::create(HttpOptions options, Handler handler) {
  auto server = std::make_unique<HttpServer>();
  State& state = *server->state_;
  state.options = std::move(options);
  state.handler = std::move(handler);
  if (!state.options.certificate_path.empty()) {
    state.tls =
        TRY(TlsContext::create(state.options.certificate_path, state.options.private_key_path));
  }
  for (const ListenAddress& address : state.options.listen) {
    TRY(address.unix_path.empty() ? state.open_tcp(address) : state.open_local(address));
  }
  TRY(state.handlers.start(state.options.handler_threads));
  for (const auto& door : state.doors) {
    if (door->tcp_acceptor) state.accept_tcp(*door);
    if (door->local_acceptor) state.accept_local(*door);
  }
  state.work.emplace(state.io.get_executor());
  state.thread = TRY(device::Thread::create("http", [&state] { state.io.run(); }));
  return server;
}

HttpServer::~HttpServer() {
  drain();
  // Handlers first: nothing new is answered; then what is open is closed where it lives.
  state_->handlers.stop();
  asio::post(state_->io, [state = state_.get()] {
    const auto open = state->open;
    for (const auto& connection : open) connection->close();
    state->work.reset();
  });
  state_->thread.join();
  for (const std::string& path : state_->unix_paths) ::unlink(path.c_str());
}

uint16_t HttpServer::port() const { return state_->first_port; }
size_t HttpServer::connections() const { return state_->connections.load(); }
bool HttpServer::busy() const { return state_->under_way.load() > 0; }

void HttpServer::drain() {
  state_->draining = true;
  asio::post(state_->io, [state = state_.get()] {
    error_code ignored;
    for (const auto& door : state->doors) {
      if (door->tcp_acceptor) door->tcp_acceptor->close(ignored);
      if (door->local_acceptor) door->local_acceptor->close(ignored);
    }
    if (state->pause) state->pause->cancel();
    const auto open = state->open;
    for (const auto& connection : open) {
      if (connection->idle()) connection->close();
    }
  });
}

}  // namespace freehold::server
