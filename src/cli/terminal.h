#pragma once
// The process's own standard streams as sinks and a source. Each object borrows its descriptor.

#include <string>

#include "cli/command.h"

namespace freehold::cli {

/// Buffers up to 64 KiB, or nothing where it is for people to read at once; flush() writes all. A
/// reader that has gone away is remembered, not an error at once: failed() says so at the end.
class DescriptorSink final : public TextSink {
 public:
  enum class Buffering { kWhole, kNone };
  explicit DescriptorSink(int descriptor, Buffering buffering = Buffering::kWhole)
      : descriptor_(descriptor), held_max_(buffering == Buffering::kWhole ? kHeldMax : 0) {}
  ~DescriptorSink() override { flush(); }
  void write(std::string_view text) override;
  void flush() override;
  bool failed() const { return failed_; }

 private:
  static constexpr size_t kHeldMax = 64 * 1024;
  int descriptor_;
  size_t held_max_;
  std::string held_;
  bool failed_ = false;
};

class DescriptorSource final : public TextSource {
 public:
  explicit DescriptorSource(int descriptor) : descriptor_(descriptor) {}
  bool is_terminal() const override;
  bool has_data_now() override;
  Result<std::string> read_all(uint64_t bytes_max) override;
  Result<size_t> read_some(std::span<std::byte> into) override;
  std::optional<std::string> read_line() override;

 private:
  /// Adds what is there to held_; false at the end, on an error, or when a signal came.
  bool fill();
  Error read_failure() const;
  int descriptor_;
  std::string held_;
  int read_error_ = 0;
  bool ended_ = false;
};

/// Width of the terminal behind `descriptor`, 80 where there is none.
uint32_t terminal_columns(int descriptor);

}  // namespace freehold::cli
