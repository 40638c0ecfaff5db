#include "cli/terminal.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/text.h"

namespace freehold::cli {

namespace {

constexpr size_t kReadMax = 64 * 1024;

}  // namespace

void DescriptorSink::write(std::string_view text) {
  held_ += text;
  if (held_.size() >= held_max_) flush();
}

void DescriptorSink::flush() {
  size_t done = 0;
  while (done < held_.size() && !failed_) {
    const ssize_t wrote = ::write(descriptor_, held_.data() + done, held_.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) {
      failed_ = true;
    } else {
      done += static_cast<size_t>(wrote);
    }
  }
  held_.clear();
}

bool DescriptorSource::is_terminal() const { return ::isatty(descriptor_) == 1; }

bool DescriptorSource::has_data_now() {
  if (!held_.empty() || ended_) return true;
  pollfd waiting{descriptor_, POLLIN, 0};
  return ::poll(&waiting, 1, 0) == 1 && (waiting.revents & (POLLIN | POLLHUP)) != 0;
}

bool DescriptorSource::fill() {
  char buffer[kReadMax];
  const ssize_t got = ::read(descriptor_, buffer, sizeof(buffer));
  read_error_ = got < 0 ? errno : 0;
  if (got > 0) {
    held_.append(buffer, static_cast<size_t>(got));
    return true;
  }
  if (got == 0) ended_ = true;
  return false;
}

Error DescriptorSource::read_failure() const {
  if (read_error_ == EINTR) return Error{ErrorCode::kInterrupted, {}, {}};
  return Error{ErrorCode::kFailed,
               fmt::format("standard input cannot be read: {}", std::strerror(read_error_)),
               "give a file or a pipe"};
}

Result<size_t> DescriptorSource::read_some(std::span<std::byte> into) {
  if (held_.empty() && !ended_ && !fill() && read_error_ != 0) return read_failure();
  const size_t count = std::min(into.size(), held_.size());
  std::memcpy(into.data(), held_.data(), count);
  held_.erase(0, count);
  return count;
}

Result<std::string> DescriptorSource::read_all(uint64_t bytes_max) {
  while (fill()) {
    if (held_.size() > bytes_max) {
      return Error{ErrorCode::kRefused,
                   fmt::format("standard input is longer than {}", base::human_bytes(bytes_max)),
                   "give less of it"};
    }
  }
  if (read_error_ != 0) return read_failure();
  std::string all;
  all.swap(held_);
  return all;
}

std::optional<std::string> DescriptorSource::read_line() {
  while (true) {
    const size_t end = held_.find('\n');
    if (end != std::string::npos) {
      std::string line = held_.substr(0, end);
      held_.erase(0, end + 1);
      return line;
    }
    if (ended_ || !fill()) break;
  }
  if (held_.empty()) return std::nullopt;
  std::string rest;
  rest.swap(held_);
  return rest;
}

uint32_t terminal_columns(int descriptor) {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

}  // namespace freehold::cli
