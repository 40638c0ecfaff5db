#pragma once
// The tiles of AMX int8 for wide_dot.h; only *_amx.cc files may include this. The process must have
// the kernel's permission (device/isa.h asks for it). A thread's tiles are its own and are given
// back by release(): with tiles in use every context switch saves eight kilobytes.
//
// Instructions in place of intrinsics: those of g++ 12 take tile numbers as text, and do not say
// which memory they read, so that stores before them were dropped.

#include <cstddef>
#include <cstdint>

namespace freehold::quant {

class TilesAmx {
 public:
  /// Activations and sums: `rows` columns; activations: `bytes` of k each.
  [[gnu::always_inline]] inline void configure(size_t rows, size_t bytes) {
    // Intel SDM volume 1, 18.2: palette 1, bytes per row at 16 + 2 n, rows at 48 + n.
    alignas(64) uint8_t config[64] = {1};
    for (size_t n = 0; n < 8; ++n) {
      const bool weights = n >= 6;
      const bool activations = n == 4 || n == 5;
      config[16 + 2 * n] = static_cast<uint8_t>(activations ? bytes : 64);
      config[48 + n] = static_cast<uint8_t>(weights ? bytes / 4 : rows);
    }
    asm volatile("ldtilecfg (%0)" : : "r"(config) : "memory");
  }
  [[gnu::always_inline]] inline void release() { asm volatile("tilerelease"); }
  template <size_t n>
  [[gnu::always_inline]] inline void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(n));
  }
  template <size_t n>
  [[gnu::always_inline]] inline void load(const void* from, size_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(from), "r"(stride), "i"(n) : "memory");
  }
  template <size_t n>
  [[gnu::always_inline]] inline void store(void* to, size_t stride) const {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(n) : "memory");
  }
  /// Sums c += activations a (signed) times weights b.
  template <size_t c, size_t a, size_t b, bool is_signed>
  [[gnu::always_inline]] inline void multiply() {
    if constexpr (is_signed) {
      asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
    } else {
      asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
    }
  }
};

}  // namespace freehold::quant
