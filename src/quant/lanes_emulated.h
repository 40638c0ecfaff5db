#pragma once
// Sixteen lanes in plain arrays: the shape of the AVX-512 tiles without its instructions, so that
// any machine can test that shape bit for bit. The back end of tile.h for dot_emulated; not fast.

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"
#include "base/float16.h"
#include "quant/tile.h"

// Calls, not inlined code: an unrolled tile of array loops would take minutes to compile.
#define FREEHOLD_CALL [[gnu::noinline]]

namespace freehold::quant {

struct LanesEmulated {
  static constexpr size_t kRows = 16;
  static constexpr size_t kColumns = 4;
  static constexpr size_t kChains = 4;
  static constexpr size_t kFused = 4;
  static constexpr bool kSignedTiles = false;
  static constexpr bool kOpensAt = true;
  struct I {
    uint32_t lane[kRows];
  };
  struct F {
    float lane[kRows];
  };

  // Memory.
  FREEHOLD_CALL static void load4(const uint8_t* rows, size_t stride, I* out) {
    for (size_t dword = 0; dword < 4; ++dword) out[dword] = load1(rows + 4 * dword, stride);
  }
  FREEHOLD_CALL static I load1(const uint8_t* rows, size_t stride) {
    I out;
    for (size_t row = 0; row < kRows; ++row) {
      out.lane[row] = base::load_le<uint32_t>(rows + row * stride);
    }
    return out;
  }
  static F load(const float* from) {
    F out;
    std::memcpy(out.lane, from, sizeof(out.lane));
    return out;
  }
  static void store(float* to, const F& value) { store_some(to, value, kRows); }
  static void store_some(float* to, const F& value, size_t count) {
    std::memcpy(to, value.lane, count * sizeof(float));
  }

  // Lane arithmetic on dwords.
  template <class Step>
  static I map(Step step) {
    I out;
    for (size_t row = 0; row < kRows; ++row) out.lane[row] = step(row);
    return out;
  }
  template <class Step>
  static F map_float(Step step) {
    F out;
    for (size_t row = 0; row < kRows; ++row) out.lane[row] = step(row);
    return out;
  }
  FREEHOLD_CALL static I zero() { return splat(0u); }
  FREEHOLD_CALL static I splat(uint32_t value) {
    return map([&](size_t) { return value; });
  }
  static I splat_pair(int16_t value) {
    const uint32_t half = static_cast<uint16_t>(value);
    return splat(half | half << 16);
  }
  FREEHOLD_CALL static I and_mask(const I& a, uint32_t mask) {
    return map([&](size_t row) { return a.lane[row] & mask; });
  }
  FREEHOLD_CALL static I and_or(const I& a, uint32_t mask, const I& b) {
    return map([&](size_t row) { return (a.lane[row] & mask) | b.lane[row]; });
  }
  FREEHOLD_CALL static I or_(const I& a, const I& b) {
    return map([&](size_t row) { return a.lane[row] | b.lane[row]; });
  }
  template <int bits>
  FREEHOLD_CALL static I shift_right(const I& a) {
    if constexpr (bits >= 0) {
      return map([&](size_t row) { return a.lane[row] >> bits; });
    } else {
      return map([&](size_t row) { return a.lane[row] << -bits; });
    }
  }
  FREEHOLD_CALL static I add32(const I& a, uint32_t b) {
    return map([&](size_t row) { return a.lane[row] + b; });
  }
  FREEHOLD_CALL static I sub8(const I& a, uint8_t b) {
    return map_bytes(a, [&](uint8_t byte) { return static_cast<uint8_t>(byte - b); });
  }
  FREEHOLD_CALL static I max32(const I& a, const I& b) {
    return map([&](size_t row) {
      const bool first = static_cast<int32_t>(a.lane[row]) > static_cast<int32_t>(b.lane[row]);
      return first ? a.lane[row] : b.lane[row];
    });
  }
  FREEHOLD_CALL static I negate(const I& a) {
    return map([&](size_t row) { return 0u - a.lane[row]; });
  }

  // Bytes of tiles.
  template <class Step>
  static I map_bytes(const I& a, Step step) {
    return map([&](size_t row) {
      uint32_t out = 0;
      for (int byte = 0; byte < 4; ++byte) {
        out |= static_cast<uint32_t>(step(byte_of(a.lane[row], byte))) << (8 * byte);
      }
      return out;
    });
  }
  static uint8_t byte_of(uint32_t lane, int byte) {
    return static_cast<uint8_t>(lane >> (8 * byte));
  }
  FREEHOLD_CALL static I from_signed(const I& bytes) {
    return map([&](size_t row) { return bytes.lane[row] ^ 0x80808080u; });
  }
  template <int offset>
  FREEHOLD_CALL static I look_up(const int8_t (&table)[16], const I& bytes) {
    return map_bytes(
        bytes, [&](uint8_t byte) { return static_cast<uint8_t>(table[byte & 0x0F] + offset); });
  }
  static I look_up_signed(const int8_t (&table)[16], const I& bytes) {
    return look_up<128>(table, bytes);
  }
  template <int k>
  FREEHOLD_CALL static I fifth_bits(const I& bits) {
    return map([&](size_t row) {
      uint32_t out = 0;
      for (int byte = 0; byte < 4; ++byte) {
        out |= ((bits.lane[row] >> (4 * k + byte)) & 1u) << (8 * byte + 4);
      }
      return out;
    });
  }

  // Scales and pairs out of bytes of a lane.
  template <int j>
  FREEHOLD_CALL static I scale_u8(const I& packed) {
    return map([&](size_t row) { return static_cast<uint32_t>(byte_of(packed.lane[row], j)); });
  }
  template <int j>
  FREEHOLD_CALL static I scale_s8(const I& packed) {
    return map([&](size_t row) {
      return static_cast<uint32_t>(
          static_cast<int32_t>(static_cast<int8_t>(byte_of(packed.lane[row], j))));
    });
  }
  static I no_scale() { return splat(1u); }
  static uint32_t pair_of(int low, int high) {
    return static_cast<uint32_t>(static_cast<uint16_t>(low)) |
           static_cast<uint32_t>(static_cast<uint16_t>(high)) << 16;
  }
  template <int a, int b>
  FREEHOLD_CALL static I pair_u8(const I& packed) {
    return map([&](size_t row) {
      return pair_of(byte_of(packed.lane[row], a), byte_of(packed.lane[row], b));
    });
  }
  template <int a, int b, int factor>
  FREEHOLD_CALL static I pair_s8(const I& packed) {
    return map([&](size_t row) {
      return pair_of(static_cast<int8_t>(byte_of(packed.lane[row], a)) * factor,
                     static_cast<int8_t>(byte_of(packed.lane[row], b)) * factor);
    });
  }

  // Dots. Sums wrap as registers do, so that an overflow would show as wrong bits, not as a fault.
  FREEHOLD_CALL static I dot_pairs(const I& sum, const I& pairs, const int16_t* sums) {
    return map([&](size_t row) {
      const auto low = static_cast<int16_t>(pairs.lane[row]);
      const auto high = static_cast<int16_t>(pairs.lane[row] >> 16);
      return sum.lane[row] + static_cast<uint32_t>(low * sums[0]) +
             static_cast<uint32_t>(high * sums[1]);
    });
  }
  static I splat_at(const int32_t* from) { return splat(static_cast<uint32_t>(*from)); }
  FREEHOLD_CALL static void sums16(const int16_t* sums, int factor, int32_t* out) {
    for (size_t i = 0; i < 16; ++i) out[i] = sums[i] * factor;
  }
  FREEHOLD_CALL static void sums32(const int16_t* sums, int factor, int32_t* out) {
    for (size_t i = 0; i < 8; ++i) out[i] = (sums[2 * i] + sums[2 * i + 1]) * factor;
  }
  FREEHOLD_CALL static void sums32_float(const int16_t* sums, float* out) {
    for (size_t i = 0; i < 8; ++i) out[i] = static_cast<float>(sums[2 * i] + sums[2 * i + 1]);
  }
  FREEHOLD_CALL static void sums32_narrow(const int16_t* sums, int16_t* out) {
    for (size_t i = 0; i < 8; ++i) out[i] = static_cast<int16_t>(sums[2 * i] + sums[2 * i + 1]);
  }
  template <class T>
  static constexpr size_t chunk() {
    return T::kSubValues / 4;
  }
  template <class T>
  static I open(const I&) {
    return zero();
  }
  template <class T>
  FREEHOLD_CALL static I dot(const I& part, const I& bytes, const int8_t* q) {
    return map([&](size_t row) {
      uint32_t out = part.lane[row];
      for (int byte = 0; byte < 4; ++byte) {
        out += static_cast<uint32_t>(static_cast<int>(byte_of(bytes.lane[row], byte)) * q[byte]);
      }
      return out;
    });
  }
  template <class T>
  FREEHOLD_CALL static I close(const I& sum, const I& part, const I& scale) {
    return map([&](size_t row) {
      return sum.lane[row] + part.lane[row] * (T::kScaled ? scale.lane[row] : 1u);
    });
  }

  // Planes of wide_dot.h.
  static I load_dwords(const int32_t* from) {
    I out;
    std::memcpy(out.lane, from, sizeof(out.lane));
    return out;
  }
  FREEHOLD_CALL static I add(const I& a, const I& b) {
    return map([&](size_t row) { return a.lane[row] + b.lane[row]; });
  }
  FREEHOLD_CALL static I both_halves(const I& a) {
    return map([&](size_t row) { return (a.lane[row] & 0xFFFFu) | a.lane[row] << 16; });
  }
  template <int offset>
  FREEHOLD_CALL static void planes(const I& bytes, const I& both, I& low, I& high) {
    for (size_t row = 0; row < kRows; ++row) {
      const int scale = static_cast<int16_t>(both.lane[row]);
      uint32_t low_bytes = 0;
      uint32_t high_bytes = 0;
      for (int byte = 0; byte < 4; ++byte) {
        const int w = scale * (byte_of(bytes.lane[row], byte) - offset);
        low_bytes |= (static_cast<uint32_t>(w) & 127u) << (8 * byte);
        high_bytes |= (static_cast<uint32_t>(w >> 7) & 255u) << (8 * byte);
      }
      low.lane[row] = low_bytes;
      high.lane[row] = high_bytes;
    }
  }

  // Floats.
  FREEHOLD_CALL static F splat(float value) {
    return map_float([&](size_t) { return value; });
  }
  FREEHOLD_CALL static F to_float(const I& a) {
    return map_float(
        [&](size_t row) { return static_cast<float>(static_cast<int32_t>(a.lane[row])); });
  }
  static F as_float(const I& a) {
    return map_float([&](size_t row) { return std::bit_cast<float>(a.lane[row]); });
  }
  FREEHOLD_CALL static F multiply(const F& a, const F& b) {
    return map_float([&](size_t row) { return a.lane[row] * b.lane[row]; });
  }
  FREEHOLD_CALL static F fma(const F& a, const F& b, const F& c) {
    return map_float([&](size_t row) { return std::fma(a.lane[row], b.lane[row], c.lane[row]); });
  }
  FREEHOLD_CALL static F f16_low(const I& a) {
    return map_float(
        [&](size_t row) { return base::float_from_f16(static_cast<uint16_t>(a.lane[row])); });
  }
  static F f16_high(const I& a) { return f16_low(shift_right<16>(a)); }
};

#undef FREEHOLD_CALL

}  // namespace freehold::quant
