#include "server/http/request_reader.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <algorithm>

#include "server/http/target.h"

namespace freehold::server {

namespace http = boost::beast::http;

struct RequestReader::State {
  http::request_parser<http::string_body> parser;
  bool head_checked = false;
};

namespace {

std::string small_letters(std::string_view text) {
  std::string small(text);
  std::transform(small.begin(), small.end(), small.begin(), [](unsigned char letter) {
    return static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter + 32 : letter);
  });
  return small;
}

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

int status_of(const boost::system::error_code& error) {
  if (error == http::error::header_limit) return 431;
  if (error == http::error::body_limit) return 413;
  if (error == http::error::bad_version) return 505;
  return 400;
}

}  // namespace

RequestReader::RequestReader(RequestLimits limits) : limits_(limits) { start(); }
RequestReader::~RequestReader() = default;

void RequestReader::start() {
  state_ = std::make_unique<State>();
  state_->parser.header_limit(limits_.header_bytes_max);
  state_->parser.body_limit(limits_.body_bytes_max);
  complete_ = false;
}

void RequestReader::refuse(int status, std::string message) {
  if (!bad_) bad_ = BadRequest{status, std::move(message)};
}

bool RequestReader::has_head() const { return state_->parser.is_header_done(); }
bool RequestReader::keep_alive() const { return state_->parser.keep_alive(); }
bool RequestReader::knows_chunks() const { return state_->parser.get().version() >= 11; }

bool RequestReader::wants_continue() const {
  if (!has_head() || complete_ || bad_) return false;
  return small_letters(view(state_->parser.get()[http::field::expect])) == "100-continue";
}

void RequestReader::push(std::string& bytes) {
  auto& parser = state_->parser;
  size_t used = 0;
  while (!bad_ && !parser.is_done() && used < bytes.size()) {
    boost::system::error_code error;
    const size_t taken =
        parser.put(boost::asio::const_buffer(bytes.data() + used, bytes.size() - used), error);
    used += taken;
    if (error == http::error::need_more) break;
    if (error) {
      refuse(status_of(error), "the request cannot be read: " + error.message());
      break;
    }
    if (parser.is_header_done() && !state_->head_checked) {
      check_head();
      if (bad_) break;
      // A head alone can be the whole request.
      if (parser.is_done()) break;
    }
    if (taken == 0) break;
  }
  bytes.erase(0, used);
  if (!bad_ && parser.is_done()) complete_ = true;
  // Beast looks at a head whole: what it has not taken is all of the head there is so far.
  if (!bad_ && !has_head() && bytes.size() > limits_.header_bytes_max) {
    refuse(431, "the head of the request is too long");
  }
}

void RequestReader::check_head() {
  state_->head_checked = true;
  const auto& head = state_->parser.get();
  size_t count = 0;
  size_t hosts = 0;
  size_t encodings = 0;
  for (const auto& field : head) {
    ++count;
    if (field.name() == http::field::host) ++hosts;
    if (field.name() == http::field::transfer_encoding) ++encodings;
  }
  if (count > limits_.headers_max) return refuse(431, "the request has too many headers");
  if (head.version() != 10 && head.version() != 11) return refuse(505, "HTTP/1.1 is spoken here");
  if (hosts > 1 || (hosts == 0 && head.version() == 11)) {
    return refuse(400, "a request has one Host header");
  }
  if (encodings > 0 && (encodings > 1 || head.version() == 10 ||
                        small_letters(view(head[http::field::transfer_encoding])) != "chunked")) {
    return refuse(501, "of transfer encodings only chunked is understood");
  }
  if (!view(head[http::field::content_encoding]).empty()) {
    return refuse(415, "a body with a content encoding is not understood");
  }
  const std::string expect = small_letters(view(head[http::field::expect]));
  if (!expect.empty() && expect != "100-continue") {
    return refuse(417, "of expectations only 100-continue is understood");
  }
  if (!split_target(view(head.target()))) {
    return refuse(400, "the request's target is not a path");
  }
}

Request RequestReader::take() {
  auto& message = state_->parser.get();
  Request request;
  request.method = std::string(view(message.method_string()));
  Target target = *split_target(view(message.target()));
  request.path = std::move(target.path);
  request.query = std::move(target.query);
  for (const auto& field : message) {
    request.headers.push_back(
        {small_letters(view(field.name_string())), std::string(view(field.value()))});
  }
  request.body = std::move(message.body());
  start();
  return request;
}

}  // namespace freehold::server
