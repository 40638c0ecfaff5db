#pragma once
// Randomness as an argument: Philox4x32-10, the counter-based generator of the numerics profile
// (docs/NUMERICS.md, section 6; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
// 2011), a small stream on top of it for tests and the model factory, and the system's entropy.

#include <array>
#include <cstdint>

#include "base/result.h"

namespace freehold::base {

using PhiloxBlock = std::array<uint32_t, 4>;

/// Ten rounds of Philox4x32 over `counter` with a 64-bit `key`. Pure; any thread.
constexpr PhiloxBlock philox4x32_10(PhiloxBlock counter, uint64_t key) {
  uint32_t key0 = static_cast<uint32_t>(key);
  uint32_t key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = static_cast<uint64_t>(counter[0]) * 0xD2511F53u;
    const uint64_t product1 = static_cast<uint64_t>(counter[2]) * 0xCD9E8D57u;
    counter = {
        static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(product1),
        static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

/// A reproducible stream of numbers from a seed. One thread.
class RandomStream {
 public:
  explicit RandomStream(uint64_t seed, uint32_t stream = 0) : seed_(seed), stream_(stream) {}

  /// Next 32 uniform bits.
  uint32_t next_u32() {
    if (used_ == 4) {
      block_ = philox4x32_10(
          {static_cast<uint32_t>(counter_), static_cast<uint32_t>(counter_ >> 32), stream_, 0},
          seed_);
      ++counter_;
      used_ = 0;
    }
    return block_[used_++];
  }
  uint64_t next_u64() {
    const uint64_t high = next_u32();
    return (high << 32) | next_u32();
  }
  /// Uniform in [0, bound); bound > 0. The bias is below 2^-32 for small bounds.
  uint32_t below(uint32_t bound) {
    return static_cast<uint32_t>((static_cast<uint64_t>(next_u32()) * bound) >> 32);
  }
  /// Uniform in [0, 1), a multiple of 2^-24.
  float uniform() { return static_cast<float>(next_u32() >> 8) * 0x1p-24f; }

 private:
  uint64_t seed_;
  uint32_t stream_;
  uint64_t counter_ = 0;
  PhiloxBlock block_{};
  uint32_t used_ = 4;
};

/// 64 bits from the operating system, for a request that brings no seed.
Result<uint64_t> system_entropy();

}  // namespace freehold::base
