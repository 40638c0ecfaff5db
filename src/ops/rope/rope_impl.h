#pragma once
// The body of rope's fast paths, compiled once per instruction set. Include only from them. Plain
// loops with the pairing outside: compilers check once that a head and the tables lie apart, and
// then turn whole vectors of pairs (tiles through local arrays measured three times slower).

#include "ops/math/functions.h"
#include "ops/rope/rope.h"

namespace freehold::ops {

/// Turns pairs first[i * step], second[i * step] for i < pairs.
template <size_t step>
[[gnu::always_inline]] static inline void turn_head(float* first, float* second, const float* c,
                                                    const float* s, size_t pairs) {
  for (size_t i = 0; i < pairs; ++i) {
    const float x = first[i * step];
    const float y = second[i * step];
    first[i * step] = fma_f32(x, c[i], -(y * s[i]));
    second[i * step] = fma_f32(y, c[i], x * s[i]);
  }
}

[[gnu::always_inline]] static inline void rope_body(const Rope& task) {
  const size_t pairs = task.rotary_dim / 2;
  for (size_t head = 0; head < task.heads; ++head) {
    float* values = task.x + head * task.head_dim;
    if (task.pairing == RopePairing::kHalves) {
      turn_head<1>(values, values + pairs, task.cosine, task.sine, pairs);
    } else {
      turn_head<2>(values, values + 1, task.cosine, task.sine, pairs);
    }
  }
}

}  // namespace freehold::ops
