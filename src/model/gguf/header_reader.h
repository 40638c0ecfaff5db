#pragma once
// A forward reader over a file's header: one bounded buffer, positions for messages, and the
// question "are there so many bytes left?" asked before anything is reserved. Not for tensor data.
// Borrows the file; one thread.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/file.h"

namespace freehold::model {

class HeaderReader {
 public:
  /// Reads `file` from its start and refuses to go beyond `header_bytes_max`.
  HeaderReader(io::ReadableFile& file, uint64_t header_bytes_max);

  /// Bytes from the start of the file.
  uint64_t position() const { return buffer_start_ + cursor_; }
  uint64_t remaining() const { return file_.size() - position(); }
  uint64_t file_size() const { return file_.size(); }

  /// The next `count` bytes, count at most kNeedMax, valid until the next call. `what` names them
  /// in the error: kDamaged at the end of the file, kRefused beyond the header limit.
  Result<const char*> need(size_t count, const char* what) {
    if (filled_ - cursor_ < count) {
      Status filled = fill(count, what);
      if (!filled.ok()) return std::move(filled).error();
    }
    const char* bytes = buffer_.data() + cursor_;
    cursor_ += count;
    return bytes;
  }

  template <class T>
  Result<T> number(const char* what) {
    return base::load_le<T>(TRY(need(sizeof(T), what)));
  }

  /// Appends the next `count` bytes to `arena`. The caller has checked `count` against
  /// remaining().
  Status append_to(std::string& arena, uint64_t count, const char* what);

  /// kDamaged at the current position.
  Error damaged(const std::string& message) const;

  static constexpr size_t kNeedMax = 64;

 private:
  Status fill(size_t count, const char* what);

  io::ReadableFile& file_;
  uint64_t header_bytes_max_;
  std::vector<char> buffer_;
  uint64_t buffer_start_ = 0;  // file offset of buffer_[0]
  size_t cursor_ = 0;
  size_t filled_ = 0;
};

}  // namespace freehold::model
