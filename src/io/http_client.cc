#include "io/http_client.h"

#include <fmt/format.h>

#include "base/text.h"
#include "io/http_exchange.h"

namespace freehold::io {

namespace {

class CurlClient final : public HttpClient {
 public:
  explicit CurlClient(std::unique_ptr<HttpExchange> exchange) : exchange_(std::move(exchange)) {}

  Result<HttpAnswer> get(const HttpRequest& request) override {
    HttpAnswer answer;
    const auto take = [&](std::span<const std::byte> bytes) {
      if (bytes.size() > request.bytes_max - answer.body.size()) return false;
      answer.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return true;
    };
    TRY(exchange_->prepare(request, {}, take));
    TRY(exchange_->outcome(exchange_->perform()));
    answer.head = exchange_->head();
    if (exchange_->body_ended()) {
      return Error{ErrorCode::kRefused,
                   fmt::format("{} answers with more than {}", shown_address(request.address),
                               base::human_bytes(request.bytes_max)),
                   {}};
    }
    const auto encoding = answer.head.find("content-encoding").value_or("identity");
    if (encoding != "identity") {
      return Error{ErrorCode::kRefused,
                   fmt::format("{} answers in an encoding that was not asked for ({})",
                               shown_address(request.address), base::printable(encoding, 20)),
                   "the server or a proxy between is broken"};
    }
    return answer;
  }

 private:
  std::unique_ptr<HttpExchange> exchange_;
};

}  // namespace

Result<std::unique_ptr<HttpClient>> make_http_client(const HttpOptions& options) {
  return std::unique_ptr<HttpClient>(
      std::make_unique<CurlClient>(TRY(HttpExchange::create(options))));
}

}  // namespace freehold::io
