#include "device/spin.h"

namespace freehold::device {

void pause_briefly() { __asm__ volatile("yield"); }

}  // namespace freehold::device
