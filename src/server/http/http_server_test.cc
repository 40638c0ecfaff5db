// The HTTP layer against clients that mean harm, are slow, or go away: over real sockets on the
// loopback address, with a handler that does what its path says.

#include "server/http/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <mutex>

#include "base/clock.h"
#include "server/http/target.h"

namespace freehold::server {
namespace {

constexpr int kPatience_ms = 20'000;

/// A client that writes what it is told and reads what comes.
class Client {
 public:
  explicit Client(uint16_t port) : descriptor_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Client() { leave(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void say(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<size_t>(sent));
    }
  }
  void stop_sending() { ::shutdown(descriptor_, SHUT_WR); }
  void leave() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }
  /// Everything until the server closes, or until `enough` was seen.
  std::string hear(std::string_view enough = {}) {
    while (enough.empty() || heard_.find(enough) == std::string::npos) {
      pollfd waiting{descriptor_, POLLIN, 0};
      if (::poll(&waiting, 1, kPatience_ms) <= 0) return heard_ + "(nothing more came)";
      char bytes[4096];
      const ssize_t count = ::recv(descriptor_, bytes, sizeof bytes, 0);
      if (count <= 0) break;
      heard_.append(bytes, static_cast<size_t>(count));
    }
    return heard_;
  }

 private:
  int descriptor_ = -1;
  std::string heard_;
};

struct TestServer {
  std::mutex mutex;
  std::vector<std::shared_ptr<Exchange>> streams;  // of /stream, for the test to write to
  std::atomic<int> handled{0};
  std::atomic<int> woken{0};
  std::unique_ptr<HttpServer> http;

  explicit TestServer(HttpOptions options = {}) {
    options.listen.push_back({.host = "127.0.0.1", .port = 0});
    http = MUST(HttpServer::create(
        std::move(options), [this](Request request, std::shared_ptr<Exchange> exchange) {
          ++handled;
          if (request.path == "/drop") return;
          if (request.path == "/stream") {
            exchange->set_wake([this] { ++woken; });
            exchange->begin({.content_type = "text/event-stream", .body = "first;"});
            const std::lock_guard lock(mutex);
            streams.push_back(std::move(exchange));
            return;
          }
          exchange->send({.content_type = "text/plain",
                          .body = request.method + " " + request.path + " [" + request.body + "]"});
        }));
  }
  std::string ask(std::string_view request) {
    Client client(http->port());
    client.say(request);
    return client.hear();
  }
  std::shared_ptr<Exchange> stream() {
    EXPECT_TRUE(eventually([this] {
      const std::lock_guard lock(mutex);
      return !streams.empty();
    }));
    const std::lock_guard lock(mutex);
    return streams.empty() ? nullptr : streams.front();
  }
  template <class Condition>
  bool eventually(Condition condition) {
    base::SystemClock clock;
    const int64_t until = clock.monotonic_ns() + int64_t{kPatience_ms} * 1'000'000;
    while (!condition()) {
      if (clock.monotonic_ns() > until) return false;
      ::usleep(1000);
    }
    return true;
  }
};

int status_of(const std::string& answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::atoi(answer.c_str() + 9) : 0;
}

size_t count_of(std::string_view text, std::string_view word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    ++count;
  }
  return count;
}

TEST(Http, AnswersOneAfterAnotherAlsoWhenTheyComeAtOnce) {
  TestServer server;
  const std::string heard = server.ask(
      "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /b%20c HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"
      "POST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
      "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  const size_t first = heard.find("GET /a []");
  const size_t second = heard.find("POST /b c [body]");
  const size_t third = heard.find("POST /d [abcde]");
  EXPECT_LT(first, second) << heard;
  EXPECT_LT(second, third) << heard;
  EXPECT_NE(third, std::string::npos) << heard;
}

// What two readers of one connection could understand differently (RFC 9112, 11.2).
TEST(Http, RefusesWhatCouldSmuggleARequest) {
  const std::string post = "POST / HTTP/1.1\r\nHost: x\r\n";
  const std::pair<std::string, int> cases[] = {
      {post + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", 400},
      {post + "Content-Length: 4\r\nContent-Length: 5\r\n\r\nbody!", 400},
      {post + "Content-Length: 4, 5\r\n\r\nbody!", 400},
      {post + "Content-Length: -1\r\n\r\n", 400},
      {post + "Content-Length: +4\r\n\r\nbody", 400},
      {post + "Content-Length : 4\r\n\r\nbody", 400},
      {post + "Content-Length: 99999999999999999999\r\n\r\n", 400},
      {post + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
      {post + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", 501},
      {post + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
      {post + "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501},
      {"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501},
      {post + "Transfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n", 400},
      {post + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 400},
      {post + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", 415},
      {post + "Expect: tea\r\nContent-Length: 1\r\n\r\nx", 417},
      {"GET / HTTP/1.1\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
      {"GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
      {"GET / HTTP/1.1\nHost: x\n\n", 505},
      {std::string("GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n", 29), 400},
      {"\x16\x03\x01\x02", 400},
  };
  TestServer server;
  for (const auto& [request, status] : cases) {
    Client client(server.http->port());
    client.say(request);
    client.stop_sending();
    const std::string heard = client.hear();
    EXPECT_EQ(status_of(heard), status) << request << "\n" << heard;
    EXPECT_LE(count_of(heard, "HTTP/1.1 "), 1u) << request;
  }
  EXPECT_EQ(server.handled.load(), 0) << "none of them reached the handler";
}

TEST(Http, BoundsHeadsAndBodies) {
  HttpOptions options;
  options.limits = {.header_bytes_max = 1024, .body_bytes_max = 1000, .headers_max = 10};
  TestServer server(options);
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\n";
  EXPECT_EQ(status_of(server.ask(head + "A: " + std::string(5000, 'a'))), 431);
  std::string many = head;
  for (int i = 0; i < 11; ++i) many += "A: b\r\n";
  EXPECT_EQ(status_of(server.ask(many + "\r\n")), 431);
  EXPECT_EQ(status_of(server.ask(head + "Content-Length: 1001\r\n\r\n")), 413);
  EXPECT_EQ(status_of(server.ask(head + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" +
                                 std::string(1001, 'b'))),
            413);
  EXPECT_EQ(status_of(server.ask(head + "Connection: close\r\nContent-Length: 1000\r\n\r\n" +
                                 std::string(1000, 'b'))),
            200);
  EXPECT_EQ(server.handled.load(), 1);
}

TEST(Http, ClosesOnThoseWhoTakeTooLong) {
  HttpOptions options;
  options.idle_ms = 60;
  options.head_ms = 120;
  options.body_ms = 120;
  TestServer server(options);
  Client idle(server.http->port());
  EXPECT_EQ(idle.hear(), "");
  Client slow(server.http->port());
  slow.say("GET / HT");
  EXPECT_EQ(slow.hear(), "");
  Client trickle(server.http->port());
  trickle.say("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nab");
  EXPECT_EQ(trickle.hear(), "");
  EXPECT_TRUE(server.eventually([&] { return server.http->connections() == 0; }));
  EXPECT_EQ(server.handled.load(), 0);
}

TEST(Http, SaysContinueBeforeALongBody) {
  TestServer server;
  Client client(server.http->port());
  client.say("POST /c HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  EXPECT_EQ(client.hear("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.say("abc");
  EXPECT_NE(client.hear("[abc]").find("HTTP/1.1 200"), std::string::npos);
}

TEST(Http, StreamsInChunksAndGoesOn) {
  TestServer server;
  Client client(server.http->port());
  client.say("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.hear("first;").find("Transfer-Encoding: chunked"), std::string::npos);
  const auto stream = server.stream();
  ASSERT_NE(stream, nullptr);
  EXPECT_EQ(stream->write("second;"), Exchange::Room::kPlenty);
  client.hear("second;");
  stream->end();
  EXPECT_TRUE(client.hear("0\r\n\r\n").ends_with("7\r\nsecond;\r\n0\r\n\r\n"));
  client.say("GET /next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.hear().ends_with("GET /next []"));
  EXPECT_EQ(stream->write("late"), Exchange::Room::kClosed);
}

TEST(Http, AnOldClientGetsTheStreamWithoutChunks) {
  TestServer server;
  Client client(server.http->port());
  client.say("GET /stream HTTP/1.0\r\n\r\n");
  client.hear("first;");
  server.stream()->end();
  const std::string heard = client.hear();
  EXPECT_TRUE(heard.ends_with("\r\n\r\nfirst;")) << heard;
}

TEST(Http, NoticesAClientThatGoesAway) {
  TestServer server;
  {
    Client client(server.http->port());
    client.say("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
    client.hear("first;");
  }
  const auto stream = server.stream();
  EXPECT_TRUE(server.eventually([&] { return stream->is_closed(); }));
  EXPECT_EQ(server.woken.load(), 1);
  EXPECT_EQ(stream->write("x"), Exchange::Room::kClosed);
  EXPECT_FALSE(server.http->busy());
}

// A reader that does not read: the writer is told to wait, and woken when there is room.
TEST(Http, TellsTheWriterOfASlowReaderToWait) {
  HttpOptions options;
  options.answer_bytes_max = 64 * 1024;
  TestServer server(options);
  Client client(server.http->port());
  client.say("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  client.hear("first;");
  const auto stream = server.stream();
  const std::string piece(32 * 1024, 'p');
  size_t pieces = 0;
  // The kernel's buffers take some megabytes before anything is full.
  while (stream->write(piece) == Exchange::Room::kPlenty && pieces < 10'000) ++pieces;
  ASSERT_LT(pieces, 10'000u);
  EXPECT_EQ(server.woken.load(), 0);
  stream->end();
  EXPECT_TRUE(client.hear("\r\n0\r\n\r\n").ends_with("\r\n0\r\n\r\n"));
  EXPECT_GE(server.woken.load(), 1);
}

TEST(Http, DropsAClientThatTakesNothing) {
  HttpOptions options;
  options.answer_bytes_max = 16 * 1024;
  options.write_ms = 100;
  TestServer server(options);
  Client client(server.http->port());
  client.say("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  const auto stream = server.stream();
  const std::string piece(64 * 1024, 'p');
  EXPECT_TRUE(server.eventually([&] { return stream->write(piece) == Exchange::Room::kClosed; }));
  EXPECT_GE(server.woken.load(), 1);
}

TEST(Http, ARequestNobodyAnswersIsAFault) {
  TestServer server;
  EXPECT_EQ(status_of(server.ask("GET /drop HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")),
            500);
}

TEST(Http, MoreConnectionsThanMayBeAreTurnedAway) {
  HttpOptions options;
  options.connections_max = 2;
  TestServer server(options);
  Client one(server.http->port());
  Client two(server.http->port());
  EXPECT_TRUE(server.eventually([&] { return server.http->connections() == 2; }));
  Client three(server.http->port());
  const std::string heard = three.hear();
  EXPECT_EQ(status_of(heard), 503) << heard;
  EXPECT_NE(heard.find("Retry-After"), std::string::npos);
  one.say("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(status_of(one.hear()), 200);
}

TEST(Http, DrainingEndsIdleConnectionsAndLetsAnswersFinish) {
  TestServer server;
  Client idle(server.http->port());
  Client busy(server.http->port());
  busy.say("GET /stream HTTP/1.1\r\nHost: x\r\n\r\n");
  busy.hear("first;");
  server.http->drain();
  EXPECT_EQ(idle.hear(), "");
  EXPECT_TRUE(server.http->busy());
  const auto stream = server.stream();
  stream->write("last;");
  stream->end();
  EXPECT_TRUE(busy.hear().ends_with("5\r\nlast;\r\n0\r\n\r\n"));
  EXPECT_TRUE(server.eventually([&] { return !server.http->busy(); }));
}

TEST(Http, AUnixSocketIsItsOwnersAlone) {
  const std::string path = testing::TempDir() + "freehold-http-" + std::to_string(::getpid());
  HttpOptions options;
  options.listen.push_back({.unix_path = path});
  {
    TestServer server(options);
    HttpOptions second;
    second.listen.push_back({.unix_path = path});
    EXPECT_FALSE(HttpServer::create(second, {}).ok()) << "somebody answers there";
  }
  EXPECT_NE(::access(path.c_str(), F_OK), 0) << "it is gone with the server";
}

TEST(Origin, OnlyNamesOfThisServerAndPagesOfItsOwn) {
  const OriginPolicy policy{.hosts = {"box.lan"}, .origins = {"https://app.example"}};
  const auto verdict = [&](std::string host, std::string origin) {
    Request request;
    request.headers = {{"host", std::move(host)}};
    if (!origin.empty()) request.headers.push_back({"origin", std::move(origin)});
    return check_origin(request, policy);
  };
  using V = OriginVerdict;
  EXPECT_EQ(verdict("localhost:8484", ""), V::kFine);
  EXPECT_EQ(verdict("127.0.0.1:8484", ""), V::kFine);
  EXPECT_EQ(verdict("[::1]:8484", ""), V::kFine);
  EXPECT_EQ(verdict("BOX.lan", ""), V::kFine);
  EXPECT_EQ(verdict("evil.example:8484", ""), V::kBadHost);
  EXPECT_EQ(verdict("127.0.0.1.evil.example", ""), V::kBadHost);
  EXPECT_EQ(verdict("localhost:8484@evil", ""), V::kBadHost);
  EXPECT_EQ(verdict("", ""), V::kBadHost);
  EXPECT_EQ(verdict("localhost:8484", "http://localhost:8484"), V::kFine);
  EXPECT_EQ(verdict("localhost:8484", "http://localhost:3000"), V::kBadOrigin);
  EXPECT_EQ(verdict("localhost:8484", "null"), V::kBadOrigin);
  EXPECT_EQ(verdict("localhost:8484", "https://app.example"), V::kForeign);
  EXPECT_EQ(verdict("localhost:8484", "https://app.example.evil"), V::kBadOrigin);
}

}  // namespace
}  // namespace freehold::server
