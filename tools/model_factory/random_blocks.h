#pragma once
// Random weights directly in a format's blocks: uniform random integers, with scales that give the
// values a wanted standard deviation and a mean near zero. Pure; any thread.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "quant/format.h"

namespace freehold::factory {

/// Fills `out` with the random bytes [offset, offset + size) of a stream. Offset and size are
/// multiples of 8; bytes do not depend on how a stream is cut into calls.
void fill_random(std::span<std::byte> out, uint64_t seed, uint32_t stream, uint64_t offset);

/// Turns random bytes into blocks of one format.
class BlockShaper {
 public:
  /// `deviation` is the standard deviation of the decoded values.
  BlockShaper(const quant::Format& format, float deviation);

  /// In place; `bytes` are whole blocks of random bytes.
  void shape(std::span<std::byte> bytes) const;

  /// Scales by a random byte: each within a quarter of the mean.
  struct Scales {
    std::array<uint16_t, 256> half{};    // f16, positive
    std::array<float, 256> wide{};       // what `half` stands for
    std::array<uint16_t, 4096> plain{};  // F16 and BF16: evenly spaced values
    float deviation = 0;
    int exponent = 0;           // MXFP4: the smaller of two exponents
    uint8_t exponent_odds = 0;  // MXFP4: of 256, how often the larger one
  };

 private:
  const quant::Format& format_;
  Scales scales_;
  void (*shape_block_)(uint8_t* block, const Scales& scales) = nullptr;
};

}  // namespace freehold::factory
