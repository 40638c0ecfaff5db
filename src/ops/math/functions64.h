#pragma once
// The binary64 functions of the profile, for RoPE tables and model constants (docs/NUMERICS.md,
// section 4): exp2, log2, sine and cosine, from + - * / fma, comparisons and bit casts only. No
// libm, no branch. Pure; any thread. Internal linkage and forced inlining as in functions.h.
//
// Errors are the worst found against long double libm (functions64_test.cc), in units in the last
// place of the exact result. Series are Taylor's: every coefficient is a rounded fraction.

#include <cstdint>

namespace freehold::ops {

namespace detail {

[[gnu::always_inline]] static inline double double_of(uint64_t bits) {
  return __builtin_bit_cast(double, bits);
}
[[gnu::always_inline]] static inline uint64_t bits_of(double value) {
  return __builtin_bit_cast(uint64_t, value);
}

/// As kRoundToInteger, for binary64: 1.5 * 2^52.
inline constexpr double kRoundToInteger64 = 0x1.8p52;
inline constexpr uint64_t kRoundToInteger64Bits = 0x4338000000000000u;

}  // namespace detail

inline constexpr double kLn2 = 0x1.62e42fefa39efp-1;
inline constexpr double kTwoPi = 0x1.921fb54442d18p+2;

/// a * b + c, rounded once.
[[gnu::always_inline]] static inline double fma_f64(double a, double b, double c) {
  return __builtin_fma(a, b, c);
}

/// sqrt(x), rounded once: an instruction.
[[gnu::always_inline]] static inline double sqrt_f64(double x) { return __builtin_sqrt(x); }

/// The greatest integer at most x, for |x| < 2^51.
[[gnu::always_inline]] static inline double floor_f64(double x) {
  const double nearest = (x + detail::kRoundToInteger64) - detail::kRoundToInteger64;
  return nearest > x ? nearest - 1.0 : nearest;
}

/// 2^x for -1022 <= x <= 1023 (callers see to it). Worst error 0.89.
[[gnu::always_inline]] static inline double exp2_f64(double x) {
  const double shifted = x + detail::kRoundToInteger64;
  const double fraction = x - (shifted - detail::kRoundToInteger64);  // exact, +-0.5
  // g + lost = fraction * ln 2 in twice the precision.
  const double g = fraction * kLn2;
  const double lost = fma_f64(fraction, 0x1.abc9e3b39803fp-56, fma_f64(fraction, kLn2, -g));
  double q = 0x1.6124613a86d09p-33;          // 1 / 13!
  q = fma_f64(q, g, 0x1.1eed8eff8d898p-29);  // 1 / 12!
  q = fma_f64(q, g, 0x1.ae64567f544e4p-26);  // 1 / 11!
  q = fma_f64(q, g, 0x1.27e4fb7789f5cp-22);  // 1 / 10!
  q = fma_f64(q, g, 0x1.71de3a556c734p-19);  // 1 / 9!
  q = fma_f64(q, g, 0x1.a01a01a01a01ap-16);  // 1 / 8!
  q = fma_f64(q, g, 0x1.a01a01a01a01ap-13);  // 1 / 7!
  q = fma_f64(q, g, 0x1.6c16c16c16c17p-10);  // 1 / 6!
  q = fma_f64(q, g, 0x1.1111111111111p-7);   // 1 / 5!
  q = fma_f64(q, g, 0x1.5555555555555p-5);   // 1 / 4!
  q = fma_f64(q, g, 0x1.5555555555555p-3);   // 1 / 3!
  q = fma_f64(q, g, 0.5);
  const double y = 1.0 + (g + fma_f64(q, g * g, lost));
  const uint64_t n = detail::bits_of(shifted) - detail::kRoundToInteger64Bits;
  return y * detail::double_of((n + 1023u) << 52);
}

/// Binary logarithm of a positive normal number. Worst error 0.7 from 32 up, 2.7 near 1 (0 at 1).
[[gnu::always_inline]] static inline double log2_f64(double x) {
  // x = 2^k * m, m in [sqrt(1/2), sqrt(2)); log2 m = 2 / ln 2 * atanh(s), s = (m - 1) / (m + 1).
  const uint64_t above = detail::bits_of(x) - 0x3FE6A09E667F3BCDu;
  const double k = static_cast<double>(static_cast<int64_t>(above) >> 52);
  const double m = detail::double_of((above & 0x000FFFFFFFFFFFFFu) + 0x3FE6A09E667F3BCDu);
  const double f = m - 1.0;
  const double s = f / (2.0 + f);
  const double z = s * s;
  double r = 0x1.00ecd7e080215p-3;               // 2 / (23 ln 2)
  r = fma_f64(r, z, 0x1.1964ec6fc9491p-3);       // 2 / (21 ln 2)
  r = fma_f64(r, z, 0x1.3703c1f4d0ffep-3);       // 2 / (19 ln 2)
  r = fma_f64(r, z, 0x1.5b9ac9b743f0dp-3);       // 2 / (17 ln 2)
  r = fma_f64(r, z, 0x1.89f3b1694cffep-3);       // 2 / (15 ln 2)
  r = fma_f64(r, z, 0x1.c68f568d31760p-3);       // 2 / (13 ln 2)
  r = fma_f64(r, z, 0x1.0c9a84994022dp-2);       // 2 / (11 ln 2)
  r = fma_f64(r, z, 0x1.484b13d7c02a9p-2);       // 2 / (9 ln 2)
  r = fma_f64(r, z, 0x1.a61762a7aded9p-2);       // 2 / (7 ln 2)
  r = fma_f64(r, z, 0x1.2776c50ef9bfep-1);       // 2 / (5 ln 2)
  r = fma_f64(r, z, 0x1.ec709dc3a03fdp-1);       // 2 / (3 ln 2)
  const double high = s * 0x1.71547652b82fep+1;  // 2 / ln 2
  return k + fma_f64(s * z, r, high);
}

struct SineCosine {
  double sine;
  double cosine;
};

/// Sine and cosine of x, |x| <= 2^40. Worst errors 0.79.
[[gnu::always_inline]] static inline SineCosine sine_cosine_f64(double x) {
  // n quarter turns leave r + t: pi/2 in three parts. The first step is exact: x and n * hi are
  // multiples of the same power of two and their difference is small.
  const double shifted = x * 0x1.45f306dc9c883p-1 + detail::kRoundToInteger64;  // 2 / pi
  const double n = shifted - detail::kRoundToInteger64;
  const double first = fma_f64(-n, 0x1.921fb54442d18p+0, x);
  const double second = n * 0x1.1a62633145c07p-54;
  const double second_lost = fma_f64(n, 0x1.1a62633145c07p-54, -second);
  const double r = first - second;
  const double r_lost = (first - r) - second;
  const double t = r_lost - fma_f64(n, -0x1.f1976b7ed8fbcp-110, second_lost);
  const double z = r * r;

  double s = 0x1.952c77030ad4ap-49;           // 1 / 17!
  s = fma_f64(s, z, -0x1.ae7f3e733b81fp-41);  // 1 / 15!
  s = fma_f64(s, z, 0x1.6124613a86d09p-33);   // 1 / 13!
  s = fma_f64(s, z, -0x1.ae64567f544e4p-26);  // 1 / 11!
  s = fma_f64(s, z, 0x1.71de3a556c734p-19);   // 1 / 9!
  s = fma_f64(s, z, -0x1.a01a01a01a01ap-13);  // 1 / 7!
  s = fma_f64(s, z, 0x1.1111111111111p-7);    // 1 / 5!
  s = fma_f64(s, z, -0x1.5555555555555p-3);   // 1 / 3!
  const double sine = r + fma_f64(r * z, s, fma_f64(-0.5 * z, t, t));

  double c = -0x1.6827863b97d97p-53;          // 1 / 18!
  c = fma_f64(c, z, 0x1.ae7f3e733b81fp-45);   // 1 / 16!
  c = fma_f64(c, z, -0x1.93974a8c07c9dp-37);  // 1 / 14!
  c = fma_f64(c, z, 0x1.1eed8eff8d898p-29);   // 1 / 12!
  c = fma_f64(c, z, -0x1.27e4fb7789f5cp-22);  // 1 / 10!
  c = fma_f64(c, z, 0x1.a01a01a01a01ap-16);   // 1 / 8!
  c = fma_f64(c, z, -0x1.6c16c16c16c17p-10);  // 1 / 6!
  c = fma_f64(c, z, 0x1.5555555555555p-5);    // 1 / 4!
  const double half = 0.5 * z;
  const double near = 1.0 - half;
  const double cosine = near + (((1.0 - near) - half) + fma_f64(z * z, c, -(r * t)));

  // Quarter turns: odd ones exchange the two, and the signs follow.
  const uint64_t quarter = detail::bits_of(shifted);
  const uint64_t swap = 0u - (quarter & 1u);
  const uint64_t sine_bits = detail::bits_of(sine);
  const uint64_t cosine_bits = detail::bits_of(cosine);
  const uint64_t sine_sign = (quarter & 2u) << 62;
  const uint64_t cosine_sign = ((quarter + 1u) & 2u) << 62;
  return {detail::double_of(((sine_bits & ~swap) | (cosine_bits & swap)) ^ sine_sign),
          detail::double_of(((cosine_bits & ~swap) | (sine_bits & swap)) ^ cosine_sign)};
}

}  // namespace freehold::ops
