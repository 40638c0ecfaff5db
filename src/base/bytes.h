#pragma once
// Little-endian loads from untyped bytes and arithmetic that says when it overflows.
// Not a parser: callers check bounds first.

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

namespace freehold::base {

static_assert(std::endian::native == std::endian::little,
              "Freehold runs on little-endian machines.");

/// Reads a T from `bytes`, which need not be aligned.
template <class T>
requires std::is_trivially_copyable_v<T>
inline T load_le(const void* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

/// Writes `value` to `bytes`, which need not be aligned.
template <class T>
requires std::is_trivially_copyable_v<T>
inline void store_le(void* bytes, T value) { std::memcpy(bytes, &value, sizeof(T)); }

/// a * b, or nothing where 64 bits cannot hold it.
inline std::optional<uint64_t> checked_multiply(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// a + b, or nothing where 64 bits cannot hold it.
inline std::optional<uint64_t> checked_add(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

/// `value` rounded up to a multiple of `unit`, a power of two. The caller knows that it fits.
template <std::unsigned_integral T>
constexpr T align_up(T value, T unit) {
  return static_cast<T>((value + unit - 1) & ~(unit - 1));
}

/// ceil(value / unit).
template <std::unsigned_integral T>
constexpr T divide_up(T value, T unit) {
  return static_cast<T>((value + unit - 1) / unit);
}

}  // namespace freehold::base
