// Bytes of a connection as any bytes, whole and in pieces: both give the same requests, and what is
// accepted keeps its promises. Then the bytes as a request's body, down to its messages.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/check.h"
#include "server/api/messages_in.h"
#include "server/api/parameters.h"
#include "server/http/request_reader.h"
#include "server/http/target.h"

namespace {

using namespace freehold;  // NOLINT: a fuzzer

constexpr server::RequestLimits kLimits{.header_bytes_max = 2048, .body_bytes_max = 4096};

/// What came of them, as text.
std::vector<std::string> requests(std::string_view bytes, size_t piece) {
  std::vector<std::string> seen;
  server::RequestReader reader(kLimits);
  std::string inbox;
  for (size_t at = 0; at < bytes.size() && !reader.bad(); at += piece) {
    inbox += bytes.substr(at, piece);
    for (;;) {
      reader.push(inbox);
      if (!reader.complete()) break;
      const server::Request request = reader.take();
      CHECK(request.path.starts_with('/') && request.body.size() <= kLimits.body_bytes_max);
      server::check_origin(request, {});
      seen.push_back(request.method + request.path + "?" + request.query + "\n" + request.body);
    }
  }
  return seen;
}

void read_body(std::string_view bytes) {
  auto body = server::parse_body(bytes);
  if (!body.ok()) return;
  const base::JsonValue& value = *body;
  static constexpr server::Parameter kTable[] = {{"a", server::Kind::kInteger},
                                                 {"b", server::Kind::kStrings},
                                                 {"messages", server::Kind::kArray}};
  const auto checked = server::check_parameters(value, kTable);
  if (const base::JsonValue* stops = server::find_given(value, "b"); checked.ok() && stops) {
    server::read_strings(*stops);
  }
  if (const base::JsonValue* messages = value.find("messages")) {
    const auto read = server::read_messages(*messages);
    if (!read.ok()) CHECK(read.error().status == 400);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = requests(bytes, std::max<size_t>(1, size));
  CHECK(requests(bytes, 7) == whole);
  read_body(bytes);
  return 0;
}
