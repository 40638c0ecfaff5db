#include "ops/math/functions.h"
#include "ops/op_table.h"
#include "ops/rope/rope.h"

namespace freehold::ops {

void rope_ref(const Rope& task) {
  const size_t pairs = task.rotary_dim / 2;
  const bool halves = task.pairing == RopePairing::kHalves;
  for (size_t head = 0; head < task.heads; ++head) {
    float* values = task.x + head * task.head_dim;
    for (size_t pair = 0; pair < pairs; ++pair) {
      float& first = values[halves ? pair : 2 * pair];
      float& second = values[halves ? pair + pairs : 2 * pair + 1];
      const float x = first;
      const float y = second;
      first = fma_f32(x, task.cosine[pair], -(y * task.sine[pair]));
      second = fma_f32(y, task.cosine[pair], x * task.sine[pair]);
    }
  }
}

}  // namespace freehold::ops
