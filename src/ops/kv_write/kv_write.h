#pragma once
// Writes one position's key and value of one head into a page, narrowed to the cache's type.
#include <cstddef>
#include <cstdint>

#include "ops/attention/kv_layout.h"

namespace freehold::ops {

struct KvWrite {
  KvLayout layout;
  KvPage page;
  uint32_t position = 0;         // within the chunk, 0 to 255
  const float* key = nullptr;    // [key_dim]
  const float* value = nullptr;  // [value_dim]
  bool* finite = nullptr;  // set to false where a value is NaN, infinite or overflows its type;
                           // never set to true
};

}  // namespace freehold::ops
