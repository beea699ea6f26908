// Loops that are compiled for several processors and chosen among at run time, and the arithmetic they share.
//
// The compiler may not contract a product and a sum into one rounding by itself (-ffp-contract=off): which
// ones it takes depends on its version and on the loop around them. `multiply_add` says where it is wanted,
// so that a machine computes the same bits with every compiler, in every loop.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#define HPT_INLINE inline __attribute__((always_inline))

// One portable binary, vectorised for AVX-512, AVX2 and the baseline. With the address checks the baseline is
// taken, so that it, too, is run by tests.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__)
#define HPT_DISPATCH
#define HPT_AVX2 "avx2,fma,bmi,bmi2"
#define HPT_AVX512 HPT_AVX2 ",avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
#endif

namespace hpt {

// a b + c, rounded once where `fused`. Only for processors with such an instruction: elsewhere it is a slow
// call.
template <bool fused>
HPT_INLINE double multiply_add(double a, double b, double c) {
  if constexpr (fused) {
    return std::fma(a, b, c);
  } else {
    return a * b + c;
  }
}

#ifdef __FP_FAST_FMA
inline constexpr bool baseline_fuses = true;
#else
inline constexpr bool baseline_fuses = false;
#endif

template <typename T>
using Passed = std::conditional_t<std::is_scalar_v<std::remove_reference_t<T>>, std::decay_t<T>, T&&>;

// A Loop has a member `template <bool fused> HPT_INLINE static R run(arguments)`, or one with a second
// parameter `bool wide = false`, for vectors of 64 bytes, and a static member `knows_wide`.
template <typename Loop, typename... Arguments>
auto run_baseline(Arguments... arguments) {
  return Loop::template run<baseline_fuses>(arguments...);
}

#ifdef HPT_DISPATCH
template <typename Loop, typename... Arguments>
__attribute__((target(HPT_AVX2))) auto run_avx2(Arguments... arguments) {
  return Loop::template run<true>(arguments...);
}

template <typename Loop, typename... Arguments>
__attribute__((target(HPT_AVX512))) auto run_avx512(Arguments... arguments) {
  if constexpr (requires { Loop::knows_wide; }) {
    return Loop::template run<true, true>(arguments...);
  } else {
    return Loop::template run<true>(arguments...);
  }
}

enum class Processor { baseline, avx2, avx512 };

inline Processor detect_processor() {
  __builtin_cpu_init();
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("bmi") ||
      !__builtin_cpu_supports("bmi2"))
    return Processor::baseline;
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
  return wide ? Processor::avx512 : Processor::avx2;
}

inline const Processor this_processor = detect_processor();
#endif

// Runs the Loop compiled for the processor at hand. Scalars are handed on by value, all else by reference.
template <typename Loop, typename... Arguments>
HPT_INLINE auto dispatch(Arguments&&... arguments) {
#ifdef HPT_DISPATCH
  switch (this_processor) {
    case Processor::avx512:
      return run_avx512<Loop, Passed<Arguments>...>(arguments...);
    case Processor::avx2:
      return run_avx2<Loop, Passed<Arguments>...>(arguments...);
    case Processor::baseline:
      break;
  }
#endif
  return run_baseline<Loop, Passed<Arguments>...>(arguments...);
}

// exp(x) and exp(x) - 1, the latter without cancellation near 0.
struct Exponential {
  double value, less_one;
};

// For x <= 0, to about 2 ulp, without branches or calls, so that loops over it vectorise; as at -700 below
// it. x = k log 2 + r with |r| <= log(2) / 2, and the Taylor polynomial of degree 12 in r.
template <bool fused>
HPT_INLINE Exponential exponential_of_negative(double x) {
  constexpr double magic = 0x1.8p52;  // adding it rounds to an integer, held in the lowest bits
  x = x < -700.0 ? -700.0 : x;
  const double shifted = multiply_add<fused>(x, 1.4426950408889634074, magic);
  const double k = shifted - magic;
  const double high = multiply_add<fused>(-k, 0x1.62e42fefa3800p-1, x);
  const double r = multiply_add<fused>(-k, 0x1.ef35793c76730p-45, high);
  double sum = 1.0 / 479001600.0;
  sum = multiply_add<fused>(sum, r, 1.0 / 39916800.0);
  sum = multiply_add<fused>(sum, r, 1.0 / 3628800.0);
  sum = multiply_add<fused>(sum, r, 1.0 / 362880.0);
  sum = multiply_add<fused>(sum, r, 1.0 / 40320.0);
  sum = multiply_add<fused>(sum, r, 1.0 / 5040.0);
  sum = multiply_add<fused>(sum, r, 1.0 / 720.0);
  sum = multiply_add<fused>(sum, r, 1.0 / 120.0);
  sum = multiply_add<fused>(sum, r, 1.0 / 24.0);
  sum = multiply_add<fused>(sum, r, 1.0 / 6.0);
  sum = multiply_add<fused>(sum, r, 0.5);
  sum = multiply_add<fused>(sum, r, 1.0);
  // scale: 2^k
  const double scale = std::bit_cast<double>((std::bit_cast<std::uint64_t>(shifted) << 52) + (1023ULL << 52));
  return {multiply_add<fused>(sum, r, 1.0) * scale, multiply_add<fused>(sum * r, scale, scale - 1.0)};
}

template <bool fused>
HPT_INLINE double exp_of_negative(double x) {
  return exponential_of_negative<fused>(x).value;
}

// log(x) for x in [0, 1], to about 2 ulp, in the same manner; as at the least normal number below it. x = 2^k
// m with m in [sqrt(1/2), sqrt(2)), and log m = 2 artanh(s) with s = (m - 1) / (m + 1), |s| < 0.172, by its
// Taylor polynomial of degree 21.
template <bool fused>
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
  sum = multiply_add<fused>(sum, z, 1.0 / 19.0);
  sum = multiply_add<fused>(sum, z, 1.0 / 17.0);
  sum = multiply_add<fused>(sum, z, 1.0 / 15.0);
  sum = multiply_add<fused>(sum, z, 1.0 / 13.0);
  sum = multiply_add<fused>(sum, z, 1.0 / 11.0);
  sum = multiply_add<fused>(sum, z, 1.0 / 9.0);
  sum = multiply_add<fused>(sum, z, 1.0 / 7.0);
  sum = multiply_add<fused>(sum, z, 1.0 / 5.0);
  sum = multiply_add<fused>(sum, z, 1.0 / 3.0);
  const double log_m = multiply_add<fused>(2.0 * s, sum * z, 2.0 * s);
  return multiply_add<fused>(k, 0x1.62e42fefa3800p-1, multiply_add<fused>(k, 0x1.ef35793c76730p-45, log_m));
}

}  // namespace hpt
