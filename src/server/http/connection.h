#pragma once
// One client's connection: reads a request, hands it over, sends the answer, and again. Lives on
// the I/O thread; answers come from any thread through an Outbox. A client that goes away, is too
// slow or breaks the protocol ends its own connection and nothing else.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "server/http/http_server.h"
#include "server/http/transport.h"
#include "server/http/work_queue.h"

namespace freehold::server {

class Connection;

/// What connections share; owned by the server.
struct ConnectionShared {
  HttpOptions options;
  HttpServer::Handler handler;
  boost::asio::io_context io;
  WorkQueue handlers;
  std::unordered_set<std::shared_ptr<Connection>> open;  // I/O thread
  std::atomic<size_t> connections{0};
  std::atomic<size_t> under_way{0};
  std::atomic<bool> draining{false};
};

/// What waits to be sent, between the thread that answers and the I/O thread.
class Outbox {
 public:
  struct Head {
    bool chunked = true;     // the client knows chunks
    bool keep_alive = true;  // and may ask again
    bool head_only = false;  // it asked for no body
  };
  Outbox(std::weak_ptr<Connection> connection, ConnectionShared& shared, Head head)
      : connection_(std::move(connection)), shared_(shared), head_(head) {}

  void send(Response response);
  void begin(Response response);
  Exchange::Room write(std::string_view piece);
  void end();
  /// Whoever should have answered went away: 500, or a broken stream that the client notices.
  void abandon();
  bool is_closed() const;
  void set_wake(std::function<void()> wake);

  // The I/O thread's side.
  std::string take();
  bool finished() const;
  bool broken() const;
  bool keeps_alive() const { return head_.keep_alive; }
  void close();

 private:
  void add_head(const Response& response, bool whole);
  void add_piece(std::string_view piece);
  void notify();

  std::weak_ptr<Connection> connection_;
  ConnectionShared& shared_;
  Head head_;
  mutable std::mutex mutex_;
  std::string bytes_;
  std::function<void()> wake_;
  bool begun_ = false;
  bool ended_ = false;
  bool broken_ = false;
  bool closed_ = false;
  bool full_ = false;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ConnectionShared& shared, std::unique_ptr<Transport> transport, Peer peer);

  void start();
  /// Sends what the outbox holds.
  void flush();
  void close();
  bool idle() const { return outbox_ == nullptr && inbox_.empty() && !reader_.has_head(); }
  /// Answers 503 and ends, before anything is read.
  void refuse_busy();

 private:
  void read();
  void received(const boost::system::error_code& error, size_t bytes);
  void advance();
  void dispatch();
  void send_own(const Response& response);
  void sent(const boost::system::error_code& error, size_t bytes);
  void finish_exchange();
  void linger();
  void set_deadline(int64_t milliseconds);

  ConnectionShared& shared_;
  std::unique_ptr<Transport> transport_;
  Peer peer_;
  boost::asio::steady_timer deadline_;
  RequestReader reader_;
  std::array<char, 16 * 1024> chunk_{};
  std::string inbox_;     // read, not yet understood
  std::string outgoing_;  // being sent
  size_t outgoing_sent_ = 0;
  std::shared_ptr<Outbox> outbox_;  // of the request under way
  size_t discarded_ = 0;
  bool reading_ = false;
  bool writing_ = false;
  bool continued_ = false;
  bool last_ = false;  // ends when what is being sent is sent
  bool lingering_ = false;
  bool closed_ = false;
};

/// Response as bytes up to its body; `whole`: with its length.
std::string response_head(const Response& response, const Outbox::Head& head, bool whole);

}  // namespace freehold::server
