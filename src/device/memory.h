#pragma once
// Memory that we own and count: aligned buffers, on huge pages where the system gives them, charged
// to one account per purpose so that a plan can be checked against what is really held.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace freehold::device {

enum class MemoryUse { kWeights, kCache, kActivations, kRing, kTokenizer, kOther, kCount };
std::string_view memory_use_name(MemoryUse use);

/// Bytes held now and at most, per use. Any thread.
class MemoryAccount {
 public:
  void charge(MemoryUse use, uint64_t bytes);
  void release(MemoryUse use, uint64_t bytes);
  uint64_t held(MemoryUse use) const;
  uint64_t held_total() const;
  uint64_t peak_total() const;

 private:
  std::array<std::atomic<uint64_t>, static_cast<size_t>(MemoryUse::kCount)> held_{};
  std::atomic<uint64_t> total_{0};
  std::atomic<uint64_t> peak_{0};
};

/// A move-only block of zeroed memory, aligned to 64 bytes at least (2 MB from 2 MB up), charged to
/// an account for as long as it lives. The account is charged what the system hands out: whole
/// pages. Allocation failure is kRefused with the number of bytes. A buffer of 0 bytes is fine and
/// has no data. The account must outlive it; one thread at a time.
class Buffer {
 public:
  static Result<Buffer> create(MemoryAccount& account, MemoryUse use, size_t bytes);
  Buffer() = default;
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  ~Buffer();

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<std::byte> bytes() { return {data_, size_}; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  template <class T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  template <class T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }

 private:
  void reset();
  MemoryAccount* account_ = nullptr;
  MemoryUse use_ = MemoryUse::kOther;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  size_t mapped_ = 0;
};

/// Largest resident size of this process so far, in bytes (VmHWM); 0 where the system does not say.
uint64_t peak_resident_bytes();

/// Resident size of this process now, in bytes (VmRSS); 0 where the system does not say.
uint64_t resident_bytes();

/// Bytes that may still be taken without swapping or being killed: what the machine has left, or
/// what is left in the tightest memory control group (v1 and v2) where that is less; pages of files
/// count as left. `root` is "" but in tests. 0 where the system does not say.
uint64_t available_bytes(const std::string& root);

}  // namespace freehold::device
