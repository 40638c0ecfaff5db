#include "model/gguf/header_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace freehold::model {

namespace {
constexpr size_t kBufferBytes = 256u << 10;  // One read call per 256 KiB; a header has some MB.
constexpr const char* kTruncatedHint =
    "The file is cut short or damaged. Fetch it again and compare its size and SHA-256.";
}  // namespace

HeaderReader::HeaderReader(io::ReadableFile& file, uint64_t header_bytes_max)
    : file_(file),
      header_bytes_max_(header_bytes_max),
      buffer_(static_cast<size_t>(std::min<uint64_t>(kBufferBytes, file.size()))) {}

Error HeaderReader::damaged(const std::string& message) const {
  return Error{ErrorCode::kDamaged, fmt::format("{} (at byte {})", message, position()),
               "The file is damaged or was made to do harm. Fetch it again from its publisher."};
}

Status HeaderReader::fill(size_t count, const char* what) {
  CHECK(count <= kNeedMax);
  if (remaining() < count) {
    return Error{
        ErrorCode::kDamaged,
        fmt::format(
            "the file ends at byte {} inside {}, which begins at byte {} and needs {} bytes",
            file_size(), what, position(), count),
        kTruncatedHint};
  }
  if (position() + count > header_bytes_max_) {
    return Error{ErrorCode::kRefused,
                 fmt::format("the header is larger than {} bytes; {} begins at byte {}",
                             header_bytes_max_, what, position()),
                 "No real model needs such a header; do not trust this file."};
  }
  const size_t kept = filled_ - cursor_;
  std::copy_n(buffer_.begin() + static_cast<std::ptrdiff_t>(cursor_), kept, buffer_.begin());
  buffer_start_ += cursor_;
  cursor_ = 0;
  filled_ = kept;
  const size_t wanted = static_cast<size_t>(
      std::min<uint64_t>(buffer_.size() - kept, file_size() - (buffer_start_ + kept)));
  TRY(file_.read_exactly(buffer_start_ + kept,
                         std::as_writable_bytes(std::span(buffer_.data() + kept, wanted))));
  filled_ += wanted;
  return {};
}

Status HeaderReader::append_to(std::string& arena, uint64_t count, const char* what) {
  CHECK(count <= remaining());
  if (position() + count > header_bytes_max_) {
    return Error{ErrorCode::kRefused,
                 fmt::format("the header is larger than {} bytes; {} at byte {} has {} bytes",
                             header_bytes_max_, what, position(), count),
                 "No real model needs such a header; do not trust this file."};
  }
  const size_t buffered = static_cast<size_t>(std::min<uint64_t>(count, filled_ - cursor_));
  arena.append(buffer_.data() + cursor_, buffered);
  cursor_ += buffered;
  const size_t rest = static_cast<size_t>(count) - buffered;
  if (rest == 0) return {};
  const size_t old_size = arena.size();
  arena.resize(old_size + rest);
  const uint64_t from = position();
  TRY(file_.read_exactly(from, std::as_writable_bytes(std::span(arena.data() + old_size, rest))));
  buffer_start_ = from + rest;
  cursor_ = 0;
  filled_ = 0;
  return {};
}

}  // namespace freehold::model
