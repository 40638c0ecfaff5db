#pragma once
// One short wait inside a spin loop, kind to the other thread of the core.

namespace freehold::device {

/// The processor's own hint: `pause` on x86-64, `yield` on aarch64 (spin_x86.cc, spin_aarch64.cc).
void pause_briefly();

}  // namespace freehold::device
