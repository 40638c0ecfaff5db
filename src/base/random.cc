#include "base/random.h"

#include <sys/random.h>

namespace freehold::base {

Result<uint64_t> system_entropy() {
  uint64_t bits = 0;
  if (::getrandom(&bits, sizeof(bits), 0) != static_cast<ssize_t>(sizeof(bits))) {
    return Error{ErrorCode::kFailed, "the system gave no random bits for a seed", "pass --seed"};
  }
  return bits;
}

}  // namespace freehold::base
