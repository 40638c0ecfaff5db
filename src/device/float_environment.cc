#include "device/float_environment.h"

namespace freehold::device {

bool float_environment_is_exact() {
  // Volatile: the compiler must not know the answers.
  volatile float one = 1.0f;
  volatile float three_quarter_ulp = 0x1.8p-24f;
  volatile float half_ulp = 0x1p-24f;
  volatile float subnormal = 0x1p-140f;
  volatile float small = 0x1p-120f;
  volatile float up = 0x1p20f;
  volatile float down = 0x1p-20f;
  // Toward zero or down would give 1; nearest gives one ulp more.
  const float above = one + three_quarter_ulp;
  // Up would give one ulp more; nearest even gives 1.
  const float tie = one + half_ulp;
  // Read as zero would give 0.
  const float read = subnormal * up;
  // Flushed would give 0.
  const float written = small * down;
  return above == 0x1.000002p0f && tie == 1.0f && read == small && written == subnormal;
}

}  // namespace freehold::device
