#pragma once
// A request as the rest of the server sees it, and an answer. Plain values; the request has passed
// request_reader.h, so that its parts cannot contradict each other.

#include <string>
#include <string_view>
#include <vector>

namespace freehold::server {

struct Header {
  std::string name;  // of a request: in small letters
  std::string value;
};

/// Who is at the other end, as far as the socket knows.
struct Peer {
  bool local_socket = false;  // a unix socket
  bool loopback = false;
  bool tls = false;
  std::string address;  // for the log
};

struct Request {
  std::string method;  // "GET"
  std::string path;    // decoded, begins with '/'
  std::string query;   // as it came, without '?'
  std::vector<Header> headers;
  std::string body;
  Peer peer;

  /// The first header of that name; empty where there is none.
  std::string_view header(std::string_view name) const {
    for (const Header& one : headers) {
      if (one.name == name) return one.value;
    }
    return {};
  }
};

struct Response {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<Header> headers = {};
  std::string body = {};
};

}  // namespace freehold::server
