#include "server/http/connection.h"

#include <fmt/format.h>

#include <boost/asio/post.hpp>

#include "server/http/status_text.h"

namespace freehold::server {

namespace {

/// Read ahead of the answer under way; more stays in the socket.
constexpr size_t kReadAheadMax = 64 * 1024;
/// A refused client may send this much more before its connection is cut.
constexpr size_t kDiscardMax = 1 << 20;
constexpr int64_t kLinger_ms = 2000;

/// What the handler gets: whoever drops it unanswered has abandoned the client.
class SocketExchange final : public Exchange {
 public:
  explicit SocketExchange(std::shared_ptr<Outbox> outbox) : outbox_(std::move(outbox)) {}
  ~SocketExchange() override { outbox_->abandon(); }
  void send(Response response) override { outbox_->send(std::move(response)); }
  void begin(Response response) override { outbox_->begin(std::move(response)); }
  Room write(std::string_view piece) override { return outbox_->write(piece); }
  void end() override { outbox_->end(); }
  bool is_closed() const override { return outbox_->is_closed(); }
  void set_wake(std::function<void()> wake) override { outbox_->set_wake(std::move(wake)); }

 private:
  std::shared_ptr<Outbox> outbox_;
};

}  // namespace

std::string response_head(const Response& response, const Outbox::Head& head, bool whole) {
  std::string text =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, status_text(response.status));
  if (!response.content_type.empty()) {
    text += fmt::format("Content-Type: {}\r\n", response.content_type);
  }
  for (const Header& one : response.headers) text += one.name + ": " + one.value + "\r\n";
  if (whole) {
    text += fmt::format("Content-Length: {}\r\n", response.body.size());
  } else if (head.chunked) {
    text += "Transfer-Encoding: chunked\r\n";
  }
  text += "X-Content-Type-Options: nosniff\r\n";
  text += head.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return text;
}

// --- Outbox -----------------------------------------------------------------------------------

void Outbox::add_piece(std::string_view piece) {
  if (piece.empty() || head_.head_only) return;
  if (head_.chunked) {
    bytes_ += fmt::format("{:x}\r\n", piece.size());
    bytes_ += piece;
    bytes_ += "\r\n";
  } else {
    bytes_ += piece;
  }
}

void Outbox::send(Response response) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || begun_) return;
    begun_ = ended_ = true;
    bytes_ += response_head(response, head_, true);
    if (!head_.head_only) bytes_ += response.body;
  }
  notify();
}

void Outbox::begin(Response response) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || begun_) return;
    begun_ = true;
    // Without chunks only the connection's end says where the answer ends.
    if (!head_.chunked) head_.keep_alive = false;
    bytes_ += response_head(response, head_, false);
    add_piece(response.body);
  }
  notify();
}

Exchange::Room Outbox::write(std::string_view piece) {
  bool full = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || ended_) return Exchange::Room::kClosed;
    add_piece(piece);
    full = full_ = bytes_.size() > shared_.options.answer_bytes_max;
  }
  notify();
  return full ? Exchange::Room::kFull : Exchange::Room::kPlenty;
}

void Outbox::end() {
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || ended_) return;
    ended_ = true;
    if (head_.chunked && !head_.head_only) bytes_ += "0\r\n\r\n";
  }
  notify();
}

void Outbox::abandon() {
  bool begun = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || ended_) return;
    begun = begun_;
    if (begun) ended_ = broken_ = true;
  }
  if (begun) return notify();
  send({.status = 500,
        .body = R"({"error":{"message":"the request was dropped unanswered","type":"server_error",)"
                R"("param":null,"code":null}})"});
}

bool Outbox::is_closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void Outbox::set_wake(std::function<void()> wake) {
  bool closed = false;
  {
    const std::lock_guard lock(mutex_);
    closed = closed_;
    wake_ = closed ? nullptr : wake;
  }
  if (closed && wake) wake();
}

void Outbox::notify() {
  boost::asio::post(shared_.io, [weak = connection_] {
    if (const auto connection = weak.lock()) connection->flush();
  });
}

std::string Outbox::take() {
  std::string taken;
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    taken.swap(bytes_);
    if (full_) wake = wake_;
    full_ = false;
  }
  if (wake) wake();
  return taken;
}

bool Outbox::finished() const {
  const std::lock_guard lock(mutex_);
  return ended_ && bytes_.empty();
}

bool Outbox::broken() const {
  const std::lock_guard lock(mutex_);
  return broken_;
}

void Outbox::close() {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    closed_ = true;
    bytes_.clear();
    wake.swap(wake_);
  }
  if (wake) wake();
}

// --- Connection -------------------------------------------------------------------------------

Connection::Connection(ConnectionShared& shared, std::unique_ptr<Transport> transport, Peer peer)
    : shared_(shared),
      transport_(std::move(transport)),
      peer_(std::move(peer)),
      deadline_(shared.io),
      reader_(shared.options.limits) {}

void Connection::set_deadline(int64_t milliseconds) {
  deadline_.cancel();
  if (milliseconds == 0) return;
  deadline_.expires_after(std::chrono::milliseconds(milliseconds));
  deadline_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->close();
  });
}

void Connection::start() {
  set_deadline(shared_.options.head_ms);
  transport_->handshake(
      [self = shared_from_this()](const boost::system::error_code& error, size_t) {
        if (error) return self->close();
        self->set_deadline(self->shared_.options.idle_ms);
        self->read();
      });
}

void Connection::refuse_busy() {
  send_own({.status = 503,
            .headers = {{"Retry-After", "5"}},
            .body = R"({"error":{"message":"too many connections","type":"server_error",)"
                    R"("param":null,"code":"overloaded"}})"});
}

void Connection::read() {
  if (reading_ || closed_) return;
  reading_ = true;
  transport_->read_some(
      boost::asio::buffer(chunk_),
      [self = shared_from_this()](const boost::system::error_code& error, size_t bytes) {
        self->received(error, bytes);
      });
}

void Connection::received(const boost::system::error_code& error, size_t bytes) {
  reading_ = false;
  // A client that has stopped sending has gone: that is how an answer nobody waits for is noticed.
  if (closed_ || error) return close();
  if (lingering_) {
    discarded_ += bytes;
    return discarded_ > kDiscardMax ? close() : read();
  }
  const bool first = inbox_.empty() && !reader_.has_head();
  inbox_.append(chunk_.data(), bytes);
  if (outbox_ != nullptr) {
    if (inbox_.size() < kReadAheadMax) read();
    return;
  }
  if (first) set_deadline(shared_.options.head_ms);
  advance();
}

void Connection::advance() {
  if (closed_ || outbox_ != nullptr || last_) return;
  const bool had_head = reader_.has_head();
  reader_.push(inbox_);
  if (const auto& bad = reader_.bad()) {
    const std::string quoted = bad->message;
    return send_own(
        {.status = bad->status,
         .body = fmt::format(R"({{"error":{{"message":"{}","type":"invalid_request_error",)"
                             R"("param":null,"code":null}}}})",
                             quoted)});
  }
  if (reader_.complete()) return dispatch();
  if (!had_head && reader_.has_head()) set_deadline(shared_.options.body_ms);
  if (reader_.wants_continue() && !continued_) {
    continued_ = true;
    outgoing_ += "HTTP/1.1 100 Continue\r\n\r\n";
    flush();
  }
  read();
}

void Connection::dispatch() {
  set_deadline(0);
  const Outbox::Head head{reader_.knows_chunks(), reader_.keep_alive() && !shared_.draining.load(),
                          false};
  Request request = reader_.take();
  request.peer = peer_;
  Outbox::Head full = head;
  full.head_only = request.method == "HEAD";
  outbox_ = std::make_shared<Outbox>(weak_from_this(), shared_, full);
  shared_.under_way.fetch_add(1);
  auto exchange = std::make_shared<SocketExchange>(outbox_);
  shared_.handlers.post(
      [&shared = shared_, request = std::move(request), exchange = std::move(exchange)]() mutable {
        shared.handler(std::move(request), std::move(exchange));
      });
  read();
}

void Connection::send_own(const Response& response) {
  last_ = true;
  outgoing_ += response_head(response, {true, false, false}, true) + response.body;
  flush();
}

void Connection::flush() {
  if (closed_ || writing_) return;
  if (outgoing_sent_ == outgoing_.size()) {
    outgoing_.clear();
    outgoing_sent_ = 0;
    if (outbox_ != nullptr) outgoing_ = outbox_->take();
  }
  if (outgoing_.empty()) {
    if (last_) return linger();
    if (outbox_ != nullptr && outbox_->finished()) finish_exchange();
    return;
  }
  writing_ = true;
  set_deadline(shared_.options.write_ms);
  transport_->write_some(
      boost::asio::buffer(outgoing_.data() + outgoing_sent_, outgoing_.size() - outgoing_sent_),
      [self = shared_from_this()](const boost::system::error_code& error, size_t bytes) {
        self->sent(error, bytes);
      });
}

void Connection::sent(const boost::system::error_code& error, size_t bytes) {
  writing_ = false;
  if (closed_ || error) return close();
  outgoing_sent_ += bytes;
  set_deadline(outbox_ == nullptr && !last_ ? shared_.options.body_ms : 0);
  flush();
}

void Connection::finish_exchange() {
  const bool goes_on = outbox_->keeps_alive() && !outbox_->broken() && !shared_.draining.load();
  const bool broken = outbox_->broken();
  outbox_->close();
  outbox_ = nullptr;
  continued_ = false;
  shared_.under_way.fetch_sub(1);
  if (broken) return close();
  if (!goes_on) return linger();
  set_deadline(inbox_.empty() ? shared_.options.idle_ms : shared_.options.head_ms);
  advance();
  read();
}

void Connection::linger() {
  lingering_ = last_ = true;
  inbox_.clear();
  transport_->finish_writing();
  set_deadline(kLinger_ms);
  read();
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  deadline_.cancel();
  transport_->close();
  if (outbox_ != nullptr) {
    outbox_->close();
    outbox_ = nullptr;
    shared_.under_way.fetch_sub(1);
  }
  shared_.connections.fetch_sub(1);
  shared_.open.erase(shared_from_this());
}

}  // namespace freehold::server
