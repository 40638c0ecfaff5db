#pragma once
// The f32 functions of the profile (docs/NUMERICS.md, section 4): exp, log, tanh, sigmoid, silu,
// gelu in both forms, softplus. Each is a fixed row of + - * / fma, comparisons and bit casts, so
// every compiler, instruction set and vector width gives the same bits. No libm, no table, no
// branch: a plain loop over one of them becomes vector code. Pure; any thread.
//
// Everything here has internal linkage and is inlined by force: a copy compiled for AVX-512 can
// never be the one that the linker keeps for older processors (src/ops/README.md, "The trap").
//
// Errors are the worst found against binary64 libm over every 251st bit pattern (functions_test.cc
// checks them), in units in the last place of the exact result, unless said otherwise. A NaN stays
// a NaN; its payload and sign are not part of the profile.

#include <cstdint>

namespace freehold::ops {

namespace detail {

[[gnu::always_inline]] static inline float float_of(uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}
[[gnu::always_inline]] static inline uint32_t bits_of(float value) {
  return __builtin_bit_cast(uint32_t, value);
}

/// Adding and subtracting 1.5 * 2^23 rounds to the nearest even integer; the low bits of the sum
/// are that integer in two's complement.
inline constexpr float kRoundToInteger = 0x1.8p23f;
inline constexpr uint32_t kRoundToIntegerBits = 0x4B400000u;

/// `yes` where `condition` holds, else `no`, by masks: compilers vectorise this under every flag,
/// whereas a conditional expression may become a branch that they leave alone.
[[gnu::always_inline]] static inline float select(bool condition, float yes, float no) {
  const uint32_t mask = 0u - static_cast<uint32_t>(condition);
  return float_of((bits_of(yes) & mask) | (bits_of(no) & ~mask));
}

inline constexpr float kInfinity = __builtin_inff();
inline constexpr float kNaN = __builtin_nanf("");

}  // namespace detail

/// a * b + c, rounded once. The builtin, so that it is an instruction at every optimisation level.
[[gnu::always_inline]] static inline float fma_f32(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}

/// sqrt(x), rounded once: an instruction.
[[gnu::always_inline]] static inline float sqrt_f32(float x) { return __builtin_sqrtf(x); }

[[gnu::always_inline]] static inline float abs_f32(float x) {
  return detail::float_of(detail::bits_of(x) & 0x7FFFFFFFu);
}

/// The largest x whose exp is finite, and the smallest whose exp is a normal number.
inline constexpr float kExpLargest = 0x1.62e42ep+6f;
inline constexpr float kExpSmallest = -0x1.5d589ep+6f;

/// e^x: +0 below kExpSmallest, +infinity above kExpLargest, exactly 1 at 0. Worst error 0.86.
[[gnu::always_inline]] static inline float exp_f32(float x) {
  // Bounds come first; the clamp keeps what follows finite (a NaN passes).
  float clamped = detail::select(x < kExpSmallest, kExpSmallest, x);
  clamped = detail::select(x > kExpLargest, kExpLargest, clamped);
  const float shifted = clamped * 0x1.715476p+0f + detail::kRoundToInteger;  // log2 e, rounded
  const float n = shifted - detail::kRoundToInteger;                         // -126 to 128
  float r = fma_f32(-n, 0x1.62e43p-1f, clamped);                             // ln2_hi: exact
  r = fma_f32(-n, -0x1.05c61p-29f, r);                                       // ln2_lo
  // e^r - 1 = r + r^2 * q(r) on +-ln(2)/2; minimax in the relative error of e^r, 2^-28.2.
  float q = 0x1.6abcbcp-10f;
  q = fma_f32(q, r, 0x1.123d9cp-7f);
  q = fma_f32(q, r, 0x1.55585ap-5f);
  q = fma_f32(q, r, 0x1.55548cp-3f);
  q = fma_f32(q, r, 0x1.fffffcp-2f);
  q = fma_f32(q, r, 1.0f);
  q = fma_f32(q, r, 1.0f);
  // 2^n in two exact steps, since 2^128 is not a float.
  const uint32_t integer = detail::bits_of(shifted) - detail::kRoundToIntegerBits;
  const uint32_t half = static_cast<uint32_t>(static_cast<int32_t>(integer) >> 1);
  const float scale_1 = detail::float_of((half + 127u) << 23);
  const float scale_2 = detail::float_of((integer - half + 127u) << 23);
  float y = (q * scale_1) * scale_2;
  y = detail::select(x < kExpSmallest, 0.0f, y);
  return detail::select(x > kExpLargest, detail::kInfinity, y);
}

/// Natural logarithm: -infinity at +-0, NaN below, subnormals exact. Worst error 0.80.
[[gnu::always_inline]] static inline float log_f32(float x) {
  const bool tiny = x < 0x1p-126f;
  const float normal = detail::select(tiny, x * 0x1p23f, x);
  const float tiny_exponent = detail::select(tiny, 23.0f, 0.0f);
  // x = 2^k * m, m in [sqrt(1/2), sqrt(2)).
  const uint32_t above = detail::bits_of(normal) - 0x3F3504F3u;
  const float k = static_cast<float>(static_cast<int32_t>(above) >> 23) - tiny_exponent;
  const float m = detail::float_of((above & 0x007FFFFFu) + 0x3F3504F3u);
  // log(1 + f) = f - (f^2/2 - s * (f^2/2 + R)), s = f / (2 + f), R = s^2 * r(s^2): 2^-34.
  const float f = m - 1.0f;
  const float s = f / (2.0f + f);
  const float z = s * s;
  float r = 0x1.f13b1ep-3f;
  r = fma_f32(r, z, 0x1.23d3ep-2f);
  r = fma_f32(r, z, 0x1.999c26p-2f);
  r = fma_f32(r, z, 0x1.555554p-1f);
  const float half_square = (0.5f * f) * f;
  const float small = fma_f32(s, fma_f32(r, z, half_square), k * 0x1.7f7d1cp-20f);  // ln2_lo
  float y = fma_f32(k, 0x1.62e4p-1f, f - (half_square - small));  // ln2_hi: k * ln2_hi is exact
  y = detail::select(x == 0.0f, -detail::kInfinity, y);
  y = detail::select(x < 0.0f, detail::kNaN, y);
  return detail::select(x < detail::kInfinity, y, x);
}

/// log(1 + x) for 0 <= x <= 1, without losing a small x. Worst error 1.2.
[[gnu::always_inline]] static inline float log1p_unit_f32(float x) {
  const float sum = 1.0f + x;
  const float lost = x - (sum - 1.0f);
  return log_f32(sum) + lost / sum;
}

/// Hyperbolic tangent, odd to the last bit. Worst error 1.33.
[[gnu::always_inline]] static inline float tanh_f32(float x) {
  const float a = abs_f32(x);
  // Below 0.625: a + a^3 * t(a^2), 2^-27.7 relative. Above: by exp.
  const float z = a * a;
  float t = -0x1.750ce4p-8f;
  t = fma_f32(t, z, 0x1.51f8cep-6f);
  t = fma_f32(t, z, -0x1.b835a4p-5f);
  t = fma_f32(t, z, 0x1.1106f6p-3f);
  t = fma_f32(t, z, -0x1.555532p-2f);
  const float near = fma_f32(t * z, a, a);
  const float far = 1.0f - 2.0f / (exp_f32(2.0f * a) + 1.0f);
  const float y = detail::select(a < 0.625f, near, far);
  return detail::float_of(detail::bits_of(y) | (detail::bits_of(x) & 0x80000000u));
}

/// 1 / (1 + exp(-x)). Worst error 2.3 from kExpSmallest up; below -kExpLargest it is +0.
[[gnu::always_inline]] static inline float sigmoid_f32(float x) {
  return 1.0f / (1.0f + exp_f32(-x));
}

/// x / (1 + exp(-x)). Worst error 2.3 from -kExpLargest up; below, exp(-x) overflows and it is -0
/// (the exact value is above -2.7e-37).
[[gnu::always_inline]] static inline float silu_f32(float x) { return x / (1.0f + exp_f32(-x)); }

/// x * (1 + tanh(u)) / 2 with u = sqrt(2 / pi) * (x + 0.044715 x^3), in the equal form
/// x / (1 + exp(-2u)) (Hendrycks and Gimpel, 2016). Worst error 2.5 from -1 up, 170 from -10 up
/// where the value itself fades; in absolute terms never above 1.25e-7 of max(1, |x|). -0 below
/// -10.1.
[[gnu::always_inline]] static inline float gelu_tanh_f32(float x) {
  const float inner = fma_f32(x * x, 0x1.2444f2p-4f, 0x1.988454p+0f);  // 2 sqrt(2/pi) * ...
  return x / (1.0f + exp_f32(-(x * inner)));
}

/// x times the normal distribution function: x * (1 + erf(x / sqrt 2)) / 2. Worst error 3.6 from -1
/// up, 19 from -13 up; in absolute terms never above 1.25e-7 of max(1, |x|). -0 below -13.3.
[[gnu::always_inline]] static inline float gelu_erf_f32(float x) {
  // Upper tail h(a) = exp(-a^2 / 2) * (1 - v) * g(v), v = a / (a + 4), for a = |x|; beyond 14 it is
  // +0. g: minimax in relative error, 2^-26.8. What the square loses to rounding is put back.
  float a = abs_f32(x);
  a = detail::select(a < 14.0f, a, 14.0f);
  const float square = a * a;
  const float lost = fma_f32(a, a, -square);
  const float v = a / (a + 4.0f);
  float g = -0x1.ffb4e4p-7f;
  g = fma_f32(g, v, 0x1.53e16ap-4f);
  g = fma_f32(g, v, -0x1.20c218p-3f);
  g = fma_f32(g, v, 0x1.4bb088p-6f);
  g = fma_f32(g, v, 0x1.4a840ap-3f);
  g = fma_f32(g, v, 0x1.3daa5ap-4f);
  g = fma_f32(g, v, -0x1.98d74cp-1f);
  g = fma_f32(g, v, 0x1.4ef90cp+0f);
  g = fma_f32(g, v, -0x1.18845cp+0f);
  g = fma_f32(g, v, 0.5f);
  const float plain = exp_f32(-0.5f * square) * ((1.0f - v) * g);
  const float tail = fma_f32(plain, -0.5f * lost, plain);
  const float below = detail::select(x < 0.0f, tail, 1.0f - tail);
  return x * below;
}

/// log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)). Worst error 2.0 from kExpSmallest up; +0
/// below.
[[gnu::always_inline]] static inline float softplus_f32(float x) {
  const float positive = detail::select(x > 0.0f, x, 0.0f);
  const float y = positive + log1p_unit_f32(exp_f32(-abs_f32(x)));
  return detail::select(x == x, y, x);
}

/// max(x, +0); a NaN stays.
[[gnu::always_inline]] static inline float relu_f32(float x) {
  return detail::select(x < 0.0f, 0.0f, x);
}

}  // namespace freehold::ops
