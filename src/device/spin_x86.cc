#include <immintrin.h>

#include "device/spin.h"

namespace freehold::device {

void pause_briefly() { _mm_pause(); }

}  // namespace freehold::device
