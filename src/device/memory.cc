#include "device/memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/bytes.h"
#include "base/text.h"
#include "device/control_groups.h"

namespace freehold::device {

namespace {

constexpr size_t kPage = 4096;  // What mmap counts in on x86-64; aarch64 may use more.
constexpr size_t kHugePage = size_t{2} << 20;  // One page-table entry of the level above.

Error no_memory(size_t bytes, MemoryUse use) {
  return Error{ErrorCode::kRefused,
               fmt::format("the system gave no {} bytes ({}) for {}", bytes,
                           base::human_bytes(bytes), memory_use_name(use)),
               "Free memory, take a smaller model or context, or lower --memory."};
}

// `bytes` of zeroed memory whose start is a multiple of `alignment` (a power of two, at least a
// page), or nullptr. More is mapped than needed, then both ends are given back.
std::byte* map_aligned(size_t bytes, size_t alignment) {
  const size_t slack = alignment > kPage ? alignment : 0;
  void* const mapped =
      ::mmap(nullptr, bytes + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  auto* const start = static_cast<std::byte*>(mapped);
  if (slack == 0) return start;
  const auto address = reinterpret_cast<uintptr_t>(start);
  const size_t before = base::align_up(address, uintptr_t{alignment}) - address;
  const size_t after = slack - before;
  if (before > 0) ::munmap(start, before);
  if (after > 0) ::munmap(start + before + bytes, after);
  return start + before;
}

}  // namespace

std::string_view memory_use_name(MemoryUse use) {
  switch (use) {
    case MemoryUse::kWeights:
      return "weights";
    case MemoryUse::kCache:
      return "cache";
    case MemoryUse::kActivations:
      return "activations";
    case MemoryUse::kRing:
      return "ring";
    case MemoryUse::kTokenizer:
      return "tokenizer";
    case MemoryUse::kOther:
    case MemoryUse::kCount:
      break;
  }
  return "other";
}

void MemoryAccount::charge(MemoryUse use, uint64_t bytes) {
  held_[static_cast<size_t>(use)].fetch_add(bytes, std::memory_order_relaxed);
  const uint64_t total = total_.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  uint64_t peak = peak_.load(std::memory_order_relaxed);
  while (peak < total && !peak_.compare_exchange_weak(peak, total, std::memory_order_relaxed)) {
  }
}

void MemoryAccount::release(MemoryUse use, uint64_t bytes) {
  CHECK(held(use) >= bytes);
  held_[static_cast<size_t>(use)].fetch_sub(bytes, std::memory_order_relaxed);
  total_.fetch_sub(bytes, std::memory_order_relaxed);
}

uint64_t MemoryAccount::held(MemoryUse use) const {
  return held_[static_cast<size_t>(use)].load(std::memory_order_relaxed);
}
uint64_t MemoryAccount::held_total() const { return total_.load(std::memory_order_relaxed); }
uint64_t MemoryAccount::peak_total() const { return peak_.load(std::memory_order_relaxed); }

Result<Buffer> Buffer::create(MemoryAccount& account, MemoryUse use, size_t bytes) {
  Buffer buffer;
  buffer.use_ = use;
  if (bytes == 0) return buffer;
  const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  if (bytes > std::numeric_limits<size_t>::max() - kHugePage - page) return no_memory(bytes, use);
  const bool huge = bytes >= kHugePage;
  const size_t mapped = base::align_up(bytes, page);
  std::byte* const data = map_aligned(mapped, huge ? kHugePage : kPage);
  if (data == nullptr) return no_memory(bytes, use);
  // Advice only: where it is refused the memory works all the same, on small pages.
  if (huge) ::madvise(data, mapped, MADV_HUGEPAGE);
  buffer.account_ = &account;
  buffer.data_ = data;
  buffer.size_ = bytes;
  buffer.mapped_ = mapped;
  account.charge(use, mapped);
  return buffer;
}

Buffer::Buffer(Buffer&& other) noexcept
    : account_(std::exchange(other.account_, nullptr)),
      use_(other.use_),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this == &other) return *this;
  reset();
  account_ = std::exchange(other.account_, nullptr);
  use_ = other.use_;
  data_ = std::exchange(other.data_, nullptr);
  size_ = std::exchange(other.size_, 0);
  mapped_ = std::exchange(other.mapped_, 0);
  return *this;
}

Buffer::~Buffer() { reset(); }

void Buffer::reset() {
  if (data_ == nullptr) return;
  ::munmap(data_, mapped_);
  account_->release(use_, mapped_);
  data_ = nullptr;
  account_ = nullptr;
  size_ = 0;
  mapped_ = 0;
}

namespace {

/// The number before " kB" on the line of `text` that starts with `label`; 0 where there is none.
uint64_t kilobytes_of(std::string_view text, std::string_view label) {
  for (std::string_view line : base::split(text, '\n')) {
    if (!line.starts_with(label) || !line.ends_with(" kB")) continue;
    line.remove_prefix(label.size());
    line.remove_suffix(3);
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    const auto kilobytes = base::parse_integer(line);
    return kilobytes.ok() ? static_cast<uint64_t>(kilobytes.value()) * 1024 : 0;
  }
  return 0;
}

/// The whole number that a small file holds; nothing for "max" and for v1's "no limit".
std::optional<double> bytes_in(const std::string& path) {
  const auto bytes = base::parse_integer(trimmed(read_system_file(path)));
  constexpr int64_t kNoLimit = int64_t{1} << 60;
  if (!bytes.ok() || bytes.value() < 0 || bytes.value() >= kNoLimit) return std::nullopt;
  return static_cast<double>(bytes.value());
}

/// Bytes of the lines of memory.stat that are pages of files: given back when memory runs short.
double file_pages(const std::string& folder, std::string_view prefix) {
  double sum = 0;
  const std::string text = read_system_file(folder + "/memory.stat");
  for (const std::string_view line : base::split(trimmed(text), '\n')) {
    const auto words = base::split(line, ' ');
    if (words.size() != 2 || !words[0].starts_with(prefix)) continue;
    const std::string_view name = words[0].substr(prefix.size());
    if (name != "inactive_file" && name != "active_file") continue;
    const auto bytes = base::parse_integer(words[1]);
    if (bytes.ok()) sum += static_cast<double>(bytes.value());
  }
  return sum;
}

std::optional<double> left_in(const std::string& folder, const char* limit, const char* usage,
                              std::string_view stat_prefix) {
  const auto most = bytes_in(folder + limit);
  const auto used = bytes_in(folder + usage);
  if (!most || !used) return std::nullopt;
  return std::max(0.0, *most - *used + file_pages(folder, stat_prefix));
}

std::optional<double> left_v2(const std::string& folder) {
  return left_in(folder, "/memory.max", "/memory.current", "");
}

std::optional<double> left_v1(const std::string& folder) {
  return left_in(folder, "/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_");
}

}  // namespace

uint64_t peak_resident_bytes() {
  return kilobytes_of(read_system_file("/proc/self/status"), "VmHWM:");
}

uint64_t resident_bytes() { return kilobytes_of(read_system_file("/proc/self/status"), "VmRSS:"); }

uint64_t available_bytes(const std::string& root) {
  uint64_t least = kilobytes_of(read_system_file(root + "/proc/meminfo"), "MemAvailable:");
  constexpr std::string_view kMounts[] = {"memory"};
  const auto group = tightest_in_control_groups(root, {"memory", kMounts, left_v2, left_v1});
  if (group) least = std::min(least, static_cast<uint64_t>(*group));
  return least;
}

}  // namespace freehold::device
