#pragma once
// The eight tiles of AMX in plain arrays (Intel SDM volume 1, chapter 18): what wide_dot.h does on
// tiles, on any machine. Rows and columns that are not configured are not touched; sums wrap as
// registers do. Not fast.

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace freehold::quant {

class TilesEmulated {
 public:
  void configure(size_t rows, size_t bytes) {
    rows_ = rows;
    bytes_ = bytes;
  }
  void release() { rows_ = 0; }
  template <size_t n>
  void zero() {
    std::memset(tile_[n], 0, sizeof(tile_[n]));
  }
  template <size_t n>
  void load(const void* from, size_t stride) {
    const bool weights = n >= 6;
    const size_t rows = weights ? bytes_ / 4 : rows_;
    const size_t bytes = weights ? kBytes : bytes_;
    zero<n>();
    for (size_t row = 0; row < rows; ++row) {
      std::memcpy(tile_[n][row], static_cast<const std::byte*>(from) + row * stride, bytes);
    }
  }
  template <size_t n>
  void store(void* to, size_t stride) const {
    for (size_t row = 0; row < rows_; ++row) {
      std::memcpy(static_cast<std::byte*>(to) + row * stride, tile_[n][row], kBytes);
    }
  }
  template <size_t c, size_t a, size_t b, bool is_signed>
  void multiply() {
    for (size_t row = 0; row < rows_; ++row) {
      for (size_t k = 0; k < bytes_ / 4; ++k) {
        for (size_t lane = 0; lane < 16; ++lane)
          add<is_signed>(row, k, lane, tile_[a], tile_[b], tile_[c]);
      }
    }
  }

 private:
  static constexpr size_t kBytes = 64;
  using Bytes = std::byte[16][kBytes];

  template <bool is_signed>
  static void add(size_t row, size_t k, size_t lane, const Bytes& a, const Bytes& b, Bytes& c) {
    uint32_t sum;
    std::memcpy(&sum, c[row] + 4 * lane, sizeof(sum));
    for (size_t i = 0; i < 4; ++i) {
      const auto x = static_cast<int8_t>(a[row][4 * k + i]);
      const auto y = static_cast<uint8_t>(b[k][4 * lane + i]);
      const int weight = is_signed ? static_cast<int8_t>(y) : y;
      sum += static_cast<uint32_t>(x * weight);
    }
    std::memcpy(c[row] + 4 * lane, &sum, sizeof(sum));
  }

  size_t rows_ = 0;
  size_t bytes_ = 0;
  Bytes tile_[8];
};

}  // namespace freehold::quant
