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

// exp(x) for x <= 0 to about 2 ulp, without branches or calls, so that loops over it vectorise; exp(-700)
// below -700. x = k log 2 + r with |r| <= log(2) / 2, and the Taylor polynomial of degree 12 in r.
HPT_INLINE double exp_of_negative(double x) {
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
  sum = sum * r + 1.0;
  const std::uint64_t power = (std::bit_cast<std::uint64_t>(shifted) << 52) + (1023ULL << 52);
  return sum * std::bit_cast<double>(power);  // 2^k
}

}  // namespace hpt
