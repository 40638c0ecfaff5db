#pragma once
// Elementwise maps in tiles through a small local array. Two reasons: the output may be one of the
// inputs (a compiler that cannot rule that out runs a scalar loop), and tails become one padded
// tile, so that they are vector code as well. The bits are those of the plain loop, since every
// element stands alone. Pure; any thread. Internal linkage as in functions.h.

#include <cstddef>

namespace freehold::ops {

inline constexpr size_t kTile = 64;

/// out[i] = map(x[i]) for i < count; out may be x.
template <class Map>
[[gnu::always_inline]] static inline void map_tiles(const float* x, size_t count, float* out,
                                                    Map map) {
  float tile[kTile];
  size_t index = 0;
  for (; index + kTile <= count; index += kTile) {
    for (size_t i = 0; i < kTile; ++i) tile[i] = map(x[index + i]);
    for (size_t i = 0; i < kTile; ++i) out[index + i] = tile[i];
  }
  const size_t rest = count - index;
  if (rest == 0) return;
  for (size_t i = 0; i < kTile; ++i) tile[i] = i < rest ? x[index + i] : 0.0f;
  for (size_t i = 0; i < kTile; ++i) tile[i] = map(tile[i]);
  for (size_t i = 0; i < rest; ++i) out[index + i] = tile[i];
}

/// out[i] = map(x[i], y[i]) for i < count; out may be x or y.
template <class Map>
[[gnu::always_inline]] static inline void map_tiles(const float* x, const float* y, size_t count,
                                                    float* out, Map map) {
  float tile[kTile];
  size_t index = 0;
  for (; index + kTile <= count; index += kTile) {
    for (size_t i = 0; i < kTile; ++i) tile[i] = map(x[index + i], y[index + i]);
    for (size_t i = 0; i < kTile; ++i) out[index + i] = tile[i];
  }
  const size_t rest = count - index;
  if (rest == 0) return;
  float other[kTile];
  for (size_t i = 0; i < kTile; ++i) {
    tile[i] = i < rest ? x[index + i] : 0.0f;
    other[i] = i < rest ? y[index + i] : 0.0f;
  }
  for (size_t i = 0; i < kTile; ++i) tile[i] = map(tile[i], other[i]);
  for (size_t i = 0; i < rest; ++i) out[index + i] = tile[i];
}

}  // namespace freehold::ops
