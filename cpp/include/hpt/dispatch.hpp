// Loops that are compiled for several processors and chosen among when the library is loaded.
#pragma once

#include <bit>
#include <cstdint>

// One portable binary, vectorised for AVX-512, AVX2 and the baseline. The choice is an ifunc, which needs GCC
// and glibc; the address sanitizer's run-time is not yet up when ifuncs are resolved.
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define HPT_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define HPT_CLONES
#endif
#define HPT_INLINE inline __attribute__((always_inline))

namespace hpt {

// exp(x) and exp(x) - 1, the latter without cancellation near 0.
struct Exponential {
  double value, less_one;
};

// For x <= 0, to about 2 ulp, without branches or calls, so that loops over it vectorise; as at -700 below
// it. x = k log 2 + r with |r| <= log(2) / 2, and the Taylor polynomial of degree 12 in r.
HPT_INLINE Exponential exponential_of_negative(double x) {
  constexpr double magic = 0x1.8p52;  // adding it rounds to a whole number, held in the lowest bits
  x = x < -700.0 ? -700.0 : x;
  const double shifted = x * 1.4426950408889634074 + magic;
  const double k = shifted - magic;
  const double r = (x - k * 0x1.62e42fefa3800p-1) - k * 0x1.ef35793c76730p-45;
  double sum = 1.0 / 479001600.0;
  sum = sum * r + 1.0 / 39916800.0;
  sum = sum * r + 1.0 / 3628800.0;
  sum = sum * r + 1.0 / 362880.0;
  sum = sum * r + 1.0 / 40320.0;
  sum = sum * r + 1.0 / 5040.0;
  sum = sum * r + 1.0 / 720.0;
  sum = sum * r + 1.0 / 120.0;
  sum = sum * r + 1.0 / 24.0;
  sum = sum * r + 1.0 / 6.0;
  sum = sum * r + 0.5;
  sum = sum * r + 1.0;
  const double scale = std::bit_cast<double>((std::bit_cast<std::uint64_t>(shifted) << 52) + (1023ULL << 52));
  return {(sum * r + 1.0) * scale, sum * r * scale + (scale - 1.0)};  // scale: 2^k
}

HPT_INLINE double exp_of_negative(double x) {
  return exponential_of_negative(x).value;
}

// log(x) for x in [0, 1], to about 2 ulp, in the same manner; as at the least normal number below it. x = 2^k
// m with m in [sqrt(1/2), sqrt(2)), and log m = 2 artanh(s) with s = (m - 1) / (m + 1), |s| < 0.172, by its
// Taylor polynomial of degree 21.
HPT_INLINE double log_of_fraction(double x) {
  constexpr std::uint64_t root = 0x3fe6a09e667f3bcdULL;  // bits of sqrt(1/2)
  constexpr std::uint64_t mantissa = (1ULL << 52) - 1;
  constexpr double magic = 0x1.8p52;
  x = x < 0x1p-1022 ? 0x1p-1022 : x;
  const std::uint64_t above = std::bit_cast<std::uint64_t>(x) + (1023ULL << 52) - root;
  const double k =
      std::bit_cast<double>((above >> 52) + std::bit_cast<std::uint64_t>(magic)) - (magic + 1023.0);
  const double m = std::bit_cast<double>((above & mantissa) + root);
  const double s = (m - 1.0) / (m + 1.0), z = s * s;
  double sum = 1.0 / 21.0;
  sum = sum * z + 1.0 / 19.0;
  sum = sum * z + 1.0 / 17.0;
  sum = sum * z + 1.0 / 15.0;
  sum = sum * z + 1.0 / 13.0;
  sum = sum * z + 1.0 / 11.0;
  sum = sum * z + 1.0 / 9.0;
  sum = sum * z + 1.0 / 7.0;
  sum = sum * z + 1.0 / 5.0;
  sum = sum * z + 1.0 / 3.0;
  const double log_m = 2.0 * s + 2.0 * s * (sum * z);
  return k * 0x1.62e42fefa3800p-1 + (k * 0x1.ef35793c76730p-45 + log_m);
}

}  // namespace hpt
