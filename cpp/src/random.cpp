#include "hpt/random.hpp"

#include <bit>
#include <cmath>

#include "hpt/error.hpp"
#include "hpt/sobol_directions.hpp"

namespace hpt {
namespace {

// GCC and Clang offer it on every 64-bit target; -Wpedantic wants it marked.
__extension__ using Wide = unsigned __int128;

struct Product {
  std::uint64_t high, low;
};

Product multiply_wide(std::uint64_t a, std::uint64_t b) {
  const Wide product = static_cast<Wide>(a) * b;
  return {static_cast<std::uint64_t>(product >> 64), static_cast<std::uint64_t>(product)};
}

double rational(double x, const double (&numerator)[8], const double (&denominator)[8]) {
  double top = numerator[7], bottom = denominator[7];
  for (int i = 6; i >= 0; --i) {
    top = top * x + numerator[i];
    bottom = bottom * x + denominator[i];
  }
  return top / bottom;
}

// Direction numbers of one dimension, (bits,), the most significant binary digit first (Joe and Kuo 2008, eq.
// 2).
void fill_directions(Index dimension, std::uint64_t* v) {
  const auto& entry = detail::sobol_directions[dimension];
  constexpr int bits = Sobol::bits;
  const int degree = std::bit_width(entry.polynomial) - 1;
  std::uint64_t m[bits];
  for (int k = 0; k < bits; ++k) {
    if (dimension == 0) {
      m[k] = 1;
    } else if (k < degree) {
      m[k] = entry.initial[k];
    } else {
      m[k] = m[k - degree] ^ (m[k - degree] << degree);
      for (int j = 1; j < degree; ++j) {
        if ((entry.polynomial >> (degree - j)) & 1U) m[k] ^= m[k - j] << j;
      }
    }
    v[k] = m[k] << (bits - 1 - k);
  }
}

// Multiplies every direction number by one random lower unit-triangular matrix over GF(2).
void scramble_directions(Stream& stream, std::uint64_t* v) {
  constexpr int bits = Sobol::bits;
  std::uint64_t
      rows[bits];  // row r: which input digits feed output digit r (digit 0 is the most significant)
  for (int r = 0; r < bits; ++r) {
    const std::uint64_t diagonal = 1ULL << (bits - 1 - r);
    const std::uint64_t before = ((1ULL << bits) - 1) & ~((diagonal << 1) - 1);
    rows[r] = diagonal | (stream.bits() & before);
  }
  for (int k = 0; k < bits; ++k) {
    std::uint64_t out = 0;
    for (int r = 0; r < bits; ++r) {
      out |= static_cast<std::uint64_t>(std::popcount(rows[r] & v[k]) & 1) << (bits - 1 - r);
    }
    v[k] = out;
  }
}

}  // namespace

std::array<std::uint64_t, 4> philox(std::array<std::uint64_t, 4> c, std::array<std::uint64_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const Product a = multiply_wide(0xD2E7470EE14C6C93ULL, c[0]);
    const Product b = multiply_wide(0xCA5A826395121157ULL, c[2]);
    c = {b.high ^ c[1] ^ k[0], b.low, a.high ^ c[3] ^ k[1], a.low};
    k[0] += 0x9E3779B97F4A7C15ULL;
    k[1] += 0xBB67AE8584CAA73BULL;
  }
  return c;
}

std::uint64_t Stream::bits() {
  if (used_ == 4) {
    block_ = philox(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<std::size_t>(used_++)];
}

double Stream::uniform() {
  return static_cast<double>(bits() >> 11) * 0x1p-53;
}

double Stream::normal() {
  return normal_quantile((static_cast<double>(bits() >> 12) + 0.5) * 0x1p-52);
}

std::uint64_t Stream::below(std::uint64_t limit) {
  require(limit > 0, "below: the limit must be at least 1");
  const std::uint64_t reject = (0 - limit) % limit;  // 2⁶⁴ mod limit: the draws that would be one too many
  for (;;) {
    const std::uint64_t draw = bits();
    if (draw >= reject) return draw % limit;
  }
}

double normal_quantile(double p) {
  static constexpr double a[8] = {3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
                                  1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
                                  3.3430575583588128105e4, 2.5090809287301226727e3};
  static constexpr double b[8] = {1.0,
                                  4.2313330701600911252e1,
                                  6.8718700749205790830e2,
                                  5.3941960214247511077e3,
                                  2.1213794301586595867e4,
                                  3.9307895800092710610e4,
                                  2.8729085735721942674e4,
                                  5.2264952788528545610e3};
  static constexpr double c[8] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                  5.76949722146069140550e0,  3.64784832476320460504e0,
                                  1.27045825245236838258e0,  2.41780725177450611770e-1,
                                  2.27238449892691845833e-2, 7.74545014278341407640e-4};
  static constexpr double d[8] = {1.0,
                                  2.05319162663775882187e0,
                                  1.67638483018380384940e0,
                                  6.89767334985100004550e-1,
                                  1.48103976427480074590e-1,
                                  1.51986665636164571966e-2,
                                  5.47593808499534494600e-4,
                                  1.05075007164441684324e-9};
  static constexpr double e[8] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                  1.78482653991729133580e0,  2.96560571828504891230e-1,
                                  2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                  2.71155556874348757815e-5, 2.01033439929228813265e-7};
  static constexpr double f[8] = {1.0,
                                  5.99832206555887937690e-1,
                                  1.36929880922735805310e-1,
                                  1.48753612908506148525e-2,
                                  7.86869131145613259100e-4,
                                  1.84631831751005468180e-5,
                                  1.42151175831644588870e-7,
                                  2.04426310338993978564e-15};
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) return q * rational(0.180625 - q * q, a, b);
  double r = std::sqrt(-std::log(q < 0.0 ? p : 1.0 - p));
  const double tail = r <= 5.0 ? rational(r - 1.6, c, d) : rational(r - 5.0, e, f);
  return q < 0.0 ? -tail : tail;
}

Sobol::Sobol(Index dimension)
    : dimension_(dimension),
      directions_(static_cast<std::size_t>(dimension * bits)),
      shift_(static_cast<std::size_t>(dimension), 0) {
  require(dimension >= 1 && dimension <= max_dimension, "Sobol' points need 1 to 256 dimensions");
  for (Index j = 0; j < dimension; ++j) fill_directions(j, &directions_[static_cast<std::size_t>(j * bits)]);
}

Sobol::Sobol(Index dimension, Stream scramble) : Sobol(dimension) {
  for (Index j = 0; j < dimension; ++j) {
    scramble_directions(scramble, &directions_[static_cast<std::size_t>(j * bits)]);
    shift_[static_cast<std::size_t>(j)] = scramble.bits() >> (64 - bits);
  }
}

void Sobol::point(std::uint64_t index, MutableVectorView x) const {
  const std::uint64_t gray = index ^ (index >> 1);
  for (std::size_t j = 0; j < x.size(); ++j) {
    std::uint64_t digits = shift_[j];
    for (std::uint64_t rest = gray; rest != 0; rest &= rest - 1) {
      digits ^= directions_[j * bits + static_cast<std::size_t>(std::countr_zero(rest))];
    }
    x[j] = static_cast<double>(digits) * 0x1p-53;
  }
}

}  // namespace hpt
