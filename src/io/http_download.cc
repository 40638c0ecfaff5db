#include "io/http_download.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "base/text.h"
#include "io/http_exchange.h"

namespace freehold::io {

namespace {

constexpr int kPoll_ms = 200;
/// Handed over in pieces of this size while a range is still arriving.
constexpr size_t kPieceBytes = size_t{256} << 10;

/// One range in flight: filled by libcurl, emptied in order.
struct Flight {
  std::unique_ptr<HttpExchange> exchange;
  HttpHead::Range wanted;
  std::vector<std::byte> bytes;
  size_t handed = 0;
  bool checked = false;  ///< the head is what was asked for
  bool done = false;
  std::optional<Error> error;

  bool whole() const { return bytes.size() == wanted.last - wanted.first + 1; }
};

class CurlDownload final : public HttpDownload {
 public:
  CurlDownload(std::string address, const DownloadOptions& options)
      : address_(std::move(address)),
        at_(address_),
        options_(options),
        authorization_(options.http.authorization),
        connections_(std::max<size_t>(1, options.connections)) {}
  ~CurlDownload() override {
    end_flights();
    spare_.clear();
    if (multi_ != nullptr) curl_multi_cleanup(multi_);
  }
  CurlDownload(const CurlDownload&) = delete;
  CurlDownload& operator=(const CurlDownload&) = delete;

  uint64_t size() const override { return size_; }
  std::string version() const override { return version_; }
  bool serves_ranges() const override { return ranges_; }
  int retry_after_seconds() const override { return retry_after_seconds_; }
  void set_authorization(const std::string& authorization) override {
    authorization_ = authorization;
  }

  Status start(HttpHead& head) {
    const auto exchange = TRY(HttpExchange::create(options_.http));
    multi_ = curl_multi_init();
    if (multi_ == nullptr) return Error{ErrorCode::kFailed, "libcurl cannot be used", {}};
    // The body is not wanted; of a server without ranges it would be the whole file.
    TRY(exchange->prepare(request(), "0-0", [](auto) { return false; }));
    TRY(exchange->outcome(exchange->perform()));
    head = exchange->head();
    if (head.status != 200 && head.status != 206) return status_error(address_, head);
    TRY(check_encoding(head));
    ranges_ = head.status == 206;
    const auto range = head.content_range();
    if (range && (range->first != 0 || range->last != 0)) return another_range();
    const auto length = head.content_length();
    if (ranges_ ? !range.has_value() : !length.has_value()) {
      return Error{ErrorCode::kRefused,
                   fmt::format("{} does not say how long the file is", shown_address(address_)),
                   "fetch it with another program, then: freehold import FILE NAME"};
    }
    size_ = ranges_ ? range->total : *length;
    if (size_ == 0) {
      return Error{ErrorCode::kDamaged, shown_address(address_) + " is an empty file", {}};
    }
    version_ = fmt::format("{}\n{}", size_, head.version());
    at_ = head.url;
    return {};
  }

  Status read(uint64_t from, const Take& take) override {
    retry_after_seconds_ = 0;
    const Status status = ranges_ ? read_ranges(from, take) : read_stream(from, take);
    end_flights();
    // What was too much for the server or the line is asked for more gently.
    if (!status.ok()) connections_ = std::max<size_t>(1, connections_ / 2);
    return status;
  }

 private:
  /// Asks where redirects led, so that a range is one round trip; what authorises goes to the
  /// address's own host only.
  HttpRequest request() const {
    HttpRequest request{.address = at_};
    if (is_same_origin(address_, at_)) request.authorization = authorization_;
    return request;
  }

  Status check_encoding(const HttpHead& head) const {
    const auto encoding = head.find("content-encoding").value_or("identity");
    if (encoding == "identity") return {};
    return Error{ErrorCode::kRefused,
                 fmt::format("{} sends the file packed ({}), which was not asked for",
                             shown_address(address_), base::printable(encoding, 20)),
                 "the server or a proxy between is broken"};
  }

  Error another_range() const {
    return {ErrorCode::kDamaged,
            fmt::format("{} answers another range than was asked for", shown_address(address_)),
            "the server or a proxy between is broken"};
  }

  /// An answer that is not the file's: its status as an error, and what to do better next time.
  Error refused(const HttpHead& head) {
    retry_after_seconds_ = std::max(retry_after_seconds_, head.retry_after_seconds());
    Error error = status_error(at_, head);
    if (at_ != address_ && head.status >= 400 && head.status < 500 && head.status != 429) {
      // A signed address that ran out; the next try asks for a new one.
      at_ = address_;
      error = {ErrorCode::kFailed, error.message, "run it again"};
    }
    return error;
  }

  Status check_version(const HttpHead& head, uint64_t total) const {
    if (version_ == fmt::format("{}\n{}", total, head.version())) return {};
    return Error{ErrorCode::kDamaged,
                 fmt::format("{} changed while it was being fetched", shown_address(address_)),
                 "run it again; it starts anew"};
  }

  /// The head of a range's answer, before its first byte is taken.
  Status check_range(const Flight& flight) {
    const HttpHead& head = flight.exchange->head();
    if (head.status == 200) {
      ranges_ = false;
      return Error{ErrorCode::kFailed,
                   fmt::format("{} serves no ranges any more", shown_address(address_)),
                   "run it again"};
    }
    if (head.status != 206) return refused(head);
    TRY(check_encoding(head));
    const auto range = head.content_range();
    if (!range || range->first != flight.wanted.first || range->last != flight.wanted.last) {
      return another_range();
    }
    return check_version(head, range->total);
  }

  Status launch(uint64_t first) {
    flights_.push_back(std::make_unique<Flight>());
    Flight& flight = *flights_.back();
    const uint64_t last = std::min<uint64_t>(size_, first + options_.range_bytes) - 1;
    flight.wanted = {first, last, size_};
    if (spare_.empty()) {
      flight.exchange = TRY(HttpExchange::create(options_.http));
    } else {
      flight.exchange = std::move(spare_.back());
      spare_.pop_back();
    }
    TRY(flight.exchange->prepare(request(), fmt::format("{}-{}", first, last),
                                 [this, &flight](auto bytes) { return receive(flight, bytes); }));
    curl_multi_add_handle(multi_, flight.exchange->handle());
    return {};
  }

  bool receive(Flight& flight, std::span<const std::byte> bytes) {
    if (!flight.checked) {
      const Status fits = check_range(flight);
      if (!fits.ok()) {
        flight.error = fits.error();
        return false;
      }
      flight.checked = true;
      flight.bytes.reserve(flight.wanted.last - flight.wanted.first + 1);
    }
    if (bytes.size() > flight.wanted.last - flight.wanted.first + 1 - flight.bytes.size()) {
      flight.error = Error{
          ErrorCode::kDamaged, shown_address(address_) + " sends more than was asked for", {}};
      return false;
    }
    flight.bytes.insert(flight.bytes.end(), bytes.begin(), bytes.end());
    return true;
  }

  void take_landed() {
    int left = 0;
    while (CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      for (const auto& flight : flights_) {
        if (flight->exchange->handle() != message->easy_handle) continue;
        flight->done = true;
        const Status outcome = flight->exchange->outcome(message->data.result);
        if (!flight->error && !outcome.ok()) flight->error = outcome.error();
        if (!flight->error && !flight->checked) {
          // An answer without a body was not looked at yet.
          const Status fits = check_range(*flight);
          if (!fits.ok()) flight->error = fits.error();
        }
        if (!flight->error && !flight->whole()) {
          flight->error =
              Error{ErrorCode::kFailed, shown_address(address_) + " sends less than it says", {}};
        }
      }
    }
  }

  /// Hands over what the first flight has; ends it where it is empty and done.
  Status hand_over(const Take& take) {
    while (!flights_.empty()) {
      Flight& flight = *flights_.front();
      const size_t ready = flight.bytes.size() - flight.handed;
      if (ready >= kPieceBytes || (flight.done && ready > 0)) {
        const auto bytes = std::span<const std::byte>(flight.bytes).subspan(flight.handed);
        flight.handed = flight.bytes.size();
        TRY(take(bytes));
      }
      if (!flight.done) return {};
      if (flight.error) return *flight.error;
      land(flight);
      flights_.pop_front();
    }
    return {};
  }

  void land(Flight& flight) {
    if (flight.exchange == nullptr) return;
    curl_multi_remove_handle(multi_, flight.exchange->handle());
    spare_.push_back(std::move(flight.exchange));
  }

  void end_flights() {
    for (const auto& flight : flights_) land(*flight);
    flights_.clear();
  }

  Status read_ranges(uint64_t from, const Take& take) {
    uint64_t next = from;
    while (next < size_ || !flights_.empty()) {
      while (next < size_ && flights_.size() < connections_) {
        TRY(launch(next));
        next += flights_.back()->wanted.last - flights_.back()->wanted.first + 1;
      }
      int running = 0;
      const CURLMcode code = curl_multi_perform(multi_, &running);
      if (code != CURLM_OK) {
        return Error{ErrorCode::kFailed, fmt::format("libcurl: {}", curl_multi_strerror(code)), {}};
      }
      take_landed();
      TRY(hand_over(take));
      if (running > 0) curl_multi_poll(multi_, nullptr, 0, kPoll_ms, nullptr);
    }
    return {};
  }

  Status read_stream(uint64_t from, const Take& take) {
    const auto exchange = TRY(HttpExchange::create(options_.http));
    uint64_t at = 0;
    bool checked = false;
    Status ended;
    const auto receive_all = [&](std::span<const std::byte> bytes) {
      if (!checked) ended = check_stream(exchange->head());
      checked = true;
      if (ended.ok() && bytes.size() > size_ - at) {
        ended =
            Error{ErrorCode::kDamaged, shown_address(address_) + " sends more than it says", {}};
      }
      if (!ended.ok()) return false;
      const uint64_t passed = std::min<uint64_t>(bytes.size(), from > at ? from - at : 0);
      at += bytes.size();
      if (passed < bytes.size()) ended = take(bytes.subspan(static_cast<size_t>(passed)));
      return ended.ok();
    };
    TRY(exchange->prepare(request(), {}, receive_all));
    const Status outcome = exchange->outcome(exchange->perform());
    if (!ended.ok()) return ended;
    TRY(outcome);
    if (!checked) TRY(check_stream(exchange->head()));
    if (at == size_) return {};
    return Error{ErrorCode::kFailed, shown_address(address_) + " sends less than it says", {}};
  }

  Status check_stream(const HttpHead& head) {
    if (head.status != 200) return refused(head);
    TRY(check_encoding(head));
    return check_version(head, head.content_length().value_or(0));
  }

  const std::string address_;
  std::string at_;  ///< where redirects led
  const DownloadOptions options_;
  std::string authorization_;
  size_t connections_;
  CURLM* multi_ = nullptr;
  uint64_t size_ = 0;
  std::string version_;
  bool ranges_ = false;
  int retry_after_seconds_ = 0;
  std::deque<std::unique_ptr<Flight>> flights_;  ///< in the file's order
  std::vector<std::unique_ptr<HttpExchange>> spare_;
};

}  // namespace

Result<std::unique_ptr<HttpDownload>> HttpDownload::open(const std::string& address,
                                                         const DownloadOptions& options,
                                                         HttpHead& head) {
  head = {};
  TRY(check_http_address(address));
  auto download = std::make_unique<CurlDownload>(address, options);
  TRY(download->start(head));
  return std::unique_ptr<HttpDownload>(std::move(download));
}

}  // namespace freehold::io
