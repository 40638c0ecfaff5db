#include "io/http_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <mutex>

#include "base/text.h"
#include "io/http_exchange.h"

namespace freehold::io {

namespace {

constexpr size_t kKeptBytes = size_t{16} << 20;  // at least one block

/// What one range brought.
struct Answer {
  HttpHead::Range range;
  std::string version;
  std::vector<std::byte> body;
};

class HttpFile final : public ReadableFile {
 public:
  HttpFile(std::string address, const HttpOptions& options)
      : address_(std::move(address)), options_(options) {}
  HttpFile(const HttpFile&) = delete;
  HttpFile& operator=(const HttpFile&) = delete;

  Status start() {
    exchange_ = TRY(HttpExchange::create(options_));
    const std::lock_guard held(lock_);
    size_ = UINT64_MAX;  // not known before the first answer
    Answer answer = TRY(fetch(0));
    size_ = answer.range.total;
    version_ = answer.version;
    opened_as_.size = size_;
    for (const char byte : version_) {
      opened_as_.inode = opened_as_.inode * 0x100000001B3u ^ static_cast<uint8_t>(byte);
    }
    TRY(keep(0, std::move(answer)));
    return {};
  }

  Result<size_t> read_at(uint64_t offset, std::span<std::byte> into) override {
    const std::lock_guard held(lock_);
    size_t done = 0;
    while (done < into.size() && offset + done < size_) {
      const uint64_t index = (offset + done) / options_.block_bytes;
      const std::vector<std::byte>& bytes = TRY(block(index))->bytes;
      const auto within = static_cast<size_t>((offset + done) % options_.block_bytes);
      const size_t count = std::min(into.size() - done, bytes.size() - within);
      std::memcpy(into.data() + done, bytes.data() + within, count);
      done += count;
    }
    return done;
  }

  const FileIdentity& opened_as() const override { return opened_as_; }
  /// Every range that is fetched is compared with the first.
  Result<FileIdentity> identity() override { return opened_as_; }
  const std::string& path() const override { return address_; }
  Result<std::unique_ptr<DirectFile>> open_direct() override {
    return Error{ErrorCode::kRefused, address_ + " is not on a disk of this machine",
                 "pull the model first"};
  }

 private:
  struct Block {
    uint64_t index = 0;
    std::vector<std::byte> bytes;
  };

  /// One block's range, its answer checked against itself and what was said before.
  Result<Answer> fetch(uint64_t index) {
    const uint64_t first = index * options_.block_bytes;
    const uint64_t last = std::min(size_ - 1, first + options_.block_bytes - 1);
    Answer answer;
    bool too_long = false;
    const HttpHead& head = exchange_->head();
    const auto take = [&](std::span<const std::byte> bytes) {
      // A server that sends the whole file instead of a range is stopped here.
      too_long = head.status == 206 && bytes.size() > last - first + 1 - answer.body.size();
      if (head.status != 206 || too_long) return false;
      answer.body.insert(answer.body.end(), bytes.begin(), bytes.end());
      return true;
    };
    const HttpRequest request{.address = address_, .authorization = options_.authorization};
    TRY(exchange_->prepare(request, fmt::format("{}-{}", first, last), take));
    TRY(exchange_->outcome(exchange_->perform()));
    if (too_long) {
      return Error{
          ErrorCode::kDamaged, shown_address(address_) + " sends more than was asked for", {}};
    }
    TRY(check_status(head));
    const auto range = head.content_range();
    const bool whole = range && range->first == first && range->last <= last &&
                       (range->last == last || range->last == range->total - 1);
    if (!whole || answer.body.size() != range->last - range->first + 1) {
      return Error{
          ErrorCode::kDamaged,
          fmt::format("{} answers another range than was asked for", shown_address(address_)),
          "the server or a proxy between is broken"};
    }
    answer.range = *range;
    answer.version = head.version();
    if (size_ != UINT64_MAX && (range->total != size_ || answer.version != version_)) {
      return Error{ErrorCode::kDamaged,
                   fmt::format("{} changed while it was being read", shown_address(address_)),
                   "try again"};
    }
    return answer;
  }

  Status check_status(const HttpHead& head) const {
    if (head.status == 206) return {};
    if (head.status != 200) return status_error(address_, head);
    return Error{ErrorCode::kRefused,
                 fmt::format("{} does not serve parts of the file", shown_address(address_)),
                 "fetch the file and use it from the disk"};
  }

  Result<const Block*> block(uint64_t index) {
    for (const Block& kept : blocks_) {
      if (kept.index == index) return &kept;
    }
    TRY(keep(index, TRY(fetch(index))));
    return &blocks_.back();
  }

  Status keep(uint64_t index, Answer answer) {
    const uint64_t first = index * options_.block_bytes;
    if (answer.body.size() != std::min<uint64_t>(options_.block_bytes, size_ - first)) {
      return Error{ErrorCode::kDamaged, fmt::format("{} sends less than it says", address_), {}};
    }
    if ((blocks_.size() + 1) * options_.block_bytes > kKeptBytes && !blocks_.empty()) {
      blocks_.pop_front();
    }
    blocks_.push_back({index, std::move(answer.body)});
    return {};
  }

  const std::string address_;
  const HttpOptions options_;
  std::mutex lock_;
  std::unique_ptr<HttpExchange> exchange_;
  uint64_t size_ = 0;
  std::string version_;
  FileIdentity opened_as_;
  std::deque<Block> blocks_;
};

}  // namespace

Result<std::unique_ptr<ReadableFile>> open_http_file(const std::string& address,
                                                     const HttpOptions& options) {
  TRY(check_http_address(address));
  auto file = std::make_unique<HttpFile>(address, options);
  TRY(file->start());
  return std::unique_ptr<ReadableFile>(std::move(file));
}

}  // namespace freehold::io
