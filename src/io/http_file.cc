#include "io/http_file.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <deque>
#include <mutex>

#include "base/text.h"

namespace freehold::io {

namespace {

constexpr size_t kKeptBytes = size_t{16} << 20;  // at least one block
constexpr size_t kHeaderBytesMax = 64 * 1024;
constexpr long kRedirectsMax = 5;

/// Once in the process, before any handle; libcurl's own requirement.
void start_curl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  (void)started;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& byte : out) byte = static_cast<char>(std::tolower(static_cast<unsigned char>(byte)));
  return out;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// What one answer said and brought.
struct Answer {
  long status = 0;
  bool has_range = false;
  uint64_t first = 0, last = 0, total = 0;  // Content-Range
  std::string version;                      // ETag and Last-Modified
  size_t header_bytes = 0;
  std::vector<std::byte> body;
  size_t body_max = 0;
  bool too_long = false;
  const std::atomic<bool>* stop = nullptr;
};

/// "bytes 0-1023/4096".
void read_content_range(std::string_view value, Answer& answer) {
  if (!value.starts_with("bytes ")) return;
  value.remove_prefix(6);
  const size_t dash = value.find('-');
  const size_t slash = value.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) return;
  const auto first = base::parse_unsigned(value.substr(0, dash));
  const auto last = base::parse_unsigned(value.substr(dash + 1, slash - dash - 1));
  const auto total = base::parse_unsigned(value.substr(slash + 1));
  if (!first.ok() || !last.ok() || !total.ok()) return;
  answer.has_range = true;
  answer.first = *first;
  answer.last = *last;
  answer.total = *total;
}

size_t take_header(char* data, size_t size, size_t count, void* user) {
  Answer& answer = *static_cast<Answer*>(user);
  const std::string_view line(data, size * count);
  answer.header_bytes += line.size();
  if (answer.header_bytes > kHeaderBytesMax) return 0;
  if (line.starts_with("HTTP/")) {
    // The next answer of a row of redirects.
    answer.version.clear();
    answer.has_range = false;
    const size_t space = line.find(' ');
    const auto status = base::parse_unsigned(line.substr(std::min(space + 1, line.size()), 3));
    answer.status = status.ok() ? static_cast<long>(*status) : 0;
    return line.size();
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  const std::string name = lower(line.substr(0, colon));
  const std::string_view value = trimmed(line.substr(colon + 1));
  if (name == "content-range") read_content_range(value, answer);
  if (name == "etag" || name == "last-modified") {
    answer.version += value;
    answer.version += '\n';
  }
  return line.size();
}

size_t take_body(char* data, size_t size, size_t count, void* user) {
  Answer& answer = *static_cast<Answer*>(user);
  const size_t bytes = size * count;
  // A server that sends the whole file instead of a range is stopped here.
  if (answer.status != 206 || bytes > answer.body_max - answer.body.size()) {
    answer.too_long = answer.status == 206;
    return 0;
  }
  const auto* const from = reinterpret_cast<const std::byte*>(data);
  answer.body.insert(answer.body.end(), from, from + bytes);
  return bytes;
}

int look_at_stop(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const Answer& answer = *static_cast<Answer*>(user);
  return answer.stop != nullptr && answer.stop->load() ? 1 : 0;
}

class HttpFile final : public ReadableFile {
 public:
  HttpFile(std::string address, const HttpOptions& options)
      : address_(std::move(address)), options_(options) {}
  ~HttpFile() override {
    if (curl_ != nullptr) curl_easy_cleanup(curl_);
  }
  HttpFile(const HttpFile&) = delete;
  HttpFile& operator=(const HttpFile&) = delete;

  Status start() {
    start_curl();
    curl_ = curl_easy_init();
    if (curl_ == nullptr) return Error{ErrorCode::kFailed, "libcurl cannot be used", {}};
    TRY(prepare());
    const std::lock_guard held(lock_);
    size_ = UINT64_MAX;  // not known before the first answer
    Answer answer = TRY(fetch(0));
    size_ = answer.total;
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

  Status prepare() {
    const bool https = lower(address_).starts_with("https://");
    const auto set = [&](auto option, auto value) {
      return curl_easy_setopt(curl_, option, value) == CURLE_OK;
    };
    bool fine = set(CURLOPT_URL, address_.c_str()) && set(CURLOPT_NOSIGNAL, 1L) &&
                set(CURLOPT_PROTOCOLS_STR, "http,https") &&
                set(CURLOPT_REDIR_PROTOCOLS_STR, https ? "https" : "http,https") &&
                set(CURLOPT_FOLLOWLOCATION, 1L) && set(CURLOPT_MAXREDIRS, kRedirectsMax) &&
                set(CURLOPT_CONNECTTIMEOUT, long{options_.connect_seconds}) &&
                set(CURLOPT_LOW_SPEED_LIMIT, 1L) &&
                set(CURLOPT_LOW_SPEED_TIME, long{options_.stall_seconds}) &&
                set(CURLOPT_USERAGENT, "freehold") && set(CURLOPT_ERRORBUFFER, message_) &&
                set(CURLOPT_HEADERFUNCTION, take_header) && set(CURLOPT_WRITEFUNCTION, take_body) &&
                set(CURLOPT_NOPROGRESS, 0L) && set(CURLOPT_XFERINFOFUNCTION, look_at_stop);
    if (!options_.token.empty()) {
      fine = fine && set(CURLOPT_HTTPAUTH, CURLAUTH_BEARER) &&
             set(CURLOPT_XOAUTH2_BEARER, options_.token.c_str());
    }
    if (fine) return {};
    return Error{ErrorCode::kFailed, "libcurl does not know an option of ours",
                 "install libcurl 7.85 or newer"};
  }

  /// One block's range, its answer checked against itself and what was said before.
  Result<Answer> fetch(uint64_t index) {
    const uint64_t first = index * options_.block_bytes;
    const uint64_t last = std::min(size_ - 1, first + options_.block_bytes - 1);
    const std::string range = fmt::format("{}-{}", first, last);
    Answer answer;
    answer.body_max = static_cast<size_t>(last - first + 1);
    answer.stop = options_.stop;
    message_[0] = '\0';
    curl_easy_setopt(curl_, CURLOPT_RANGE, range.c_str());
    curl_easy_setopt(curl_, CURLOPT_HEADERDATA, &answer);
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &answer);
    curl_easy_setopt(curl_, CURLOPT_XFERINFODATA, &answer);
    const CURLcode code = curl_easy_perform(curl_);
    TRY(check_status(answer, code));
    const bool whole = answer.has_range && answer.first == first && answer.last <= last &&
                       answer.total > answer.last &&
                       (answer.last == last || answer.last == answer.total - 1);
    if (!whole || answer.body.size() != answer.last - answer.first + 1) {
      return Error{ErrorCode::kDamaged,
                   fmt::format("{} answers another range than was asked for", address_),
                   "the server or a proxy between is broken"};
    }
    const bool same = size_ == UINT64_MAX || (answer.total == size_ && answer.version == version_);
    if (!same) {
      return Error{ErrorCode::kDamaged, fmt::format("{} changed while it was being read", address_),
                   "try again"};
    }
    return answer;
  }

  Status check_status(const Answer& answer, CURLcode code) const {
    if (code == CURLE_ABORTED_BY_CALLBACK) return Error{ErrorCode::kInterrupted, {}, {}};
    if (answer.too_long) {
      return Error{
          ErrorCode::kDamaged, fmt::format("{} sends more than was asked for", address_), {}};
    }
    if (answer.header_bytes > kHeaderBytesMax) {
      return Error{ErrorCode::kRefused,
                   fmt::format("{} answers with more than {} of headers", address_,
                               base::human_bytes(kHeaderBytesMax)),
                   {}};
    }
    const bool transferred = code == CURLE_OK || code == CURLE_WRITE_ERROR;
    if (!transferred) {
      const char* const said = message_[0] != '\0' ? message_ : curl_easy_strerror(code);
      return Error{ErrorCode::kFailed, fmt::format("{}: {}", address_, base::printable(said, 200)),
                   "check the address and the network"};
    }
    if (answer.status == 206) return {};
    if (answer.status == 200) {
      return Error{ErrorCode::kRefused,
                   fmt::format("{} does not serve parts of the file", address_),
                   "fetch the file and use it from the disk"};
    }
    const auto failed = [&](ErrorCode kind, const char* hint) {
      return Error{kind, fmt::format("{} answers {}", address_, answer.status), hint};
    };
    switch (answer.status) {
      case 404:
      case 410:
        return failed(ErrorCode::kNotFound, "check the address");
      case 401:
      case 403:
        return failed(ErrorCode::kRefused, "it may want a token: set FREEHOLD_TOKEN");
      default:
        return failed(ErrorCode::kFailed, "try again later");
    }
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
  CURL* curl_ = nullptr;
  char message_[CURL_ERROR_SIZE] = {};
  uint64_t size_ = 0;
  std::string version_;
  FileIdentity opened_as_;
  std::deque<Block> blocks_;
};

}  // namespace

bool is_http_address(std::string_view name) {
  const std::string start = lower(name.substr(0, 8));
  return start.starts_with("http://") || start.starts_with("https://");
}

Result<std::unique_ptr<ReadableFile>> open_http_file(const std::string& address,
                                                     const HttpOptions& options) {
  if (!is_http_address(address) || address.find_first_of(" \t\r\n") != std::string::npos) {
    return Error{
        ErrorCode::kRefused, base::printable(address) + " is no http or https address", {}};
  }
  auto file = std::make_unique<HttpFile>(address, options);
  TRY(file->start());
  return std::unique_ptr<ReadableFile>(std::move(file));
}

}  // namespace freehold::io
