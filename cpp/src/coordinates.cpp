#include "hpt/coordinates.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "hpt/error.hpp"

namespace hpt {
namespace {

constexpr std::uint64_t widest = 1ULL << 53;

// The ends of an integer's relaxation, [min - 1/2, max + 1/2], as logarithms.
struct LogEnds {
  double low, width;
};

LogEnds log_ends(std::int64_t min, std::int64_t max) {
  const double low = std::log(static_cast<double>(min) - 0.5);
  return {low, std::log(static_cast<double>(max) + 0.5) - low};
}

}  // namespace

Coordinate Coordinate::continuous(Scale scale) {
  Coordinate c;
  c.scale_ = scale;
  return c;
}

Coordinate Coordinate::integer(std::int64_t min, std::int64_t max, Scale scale) {
  require(min <= max, "an integer coordinate needs min <= max");
  require(scale != Scale::reverse_logarithmic, "an integer coordinate is linear or logarithmic");
  require(scale != Scale::logarithmic || min >= 1, "a logarithmic integer coordinate needs min >= 1");
  const std::uint64_t range = static_cast<std::uint64_t>(max) - static_cast<std::uint64_t>(min);
  require(range < widest, "an integer coordinate spans at most 2^53 values");
  Coordinate c;
  c.kind_ = Kind::integer;
  c.scale_ = scale;
  c.min_ = min;
  c.max_ = max;
  return c;
}

Coordinate Coordinate::categorical(std::int64_t count) {
  require(count >= 1 && count <= 1'000'000, "a categorical coordinate has 1 to 1,000,000 values");
  Coordinate c;
  c.kind_ = Kind::categorical;
  c.max_ = count - 1;
  return c;
}

std::uint64_t Coordinate::levels() const {
  return static_cast<std::uint64_t>(max_) - static_cast<std::uint64_t>(min_) + 1;
}

std::uint64_t Coordinate::level(double x) const {
  const double last = static_cast<double>(levels() - 1);
  double k;
  if (kind_ == Kind::categorical) {
    k = std::round(x);
  } else if (scale_ == Scale::linear) {
    // The product has up to 106 bits; the extended type keeps a level's middle away from its borders.
    k = static_cast<double>(std::floor(static_cast<long double>(x) * static_cast<long double>(levels())));
  } else {
    const LogEnds ends = log_ends(min_, max_);
    k = std::round(std::exp(ends.low + x * ends.width)) - static_cast<double>(min_);
  }
  return static_cast<std::uint64_t>(std::clamp(k, 0.0, last));
}

double Coordinate::at_level(std::uint64_t k) const {
  if (kind_ == Kind::categorical) return static_cast<double>(k);
  if (scale_ == Scale::linear) {
    return static_cast<double>((static_cast<long double>(k) + 0.5L) / static_cast<long double>(levels()));
  }
  const LogEnds ends = log_ends(min_, max_);
  return (std::log(static_cast<double>(min_) + static_cast<double>(k)) - ends.low) / ends.width;
}

double Coordinate::snap(double x) const {
  return kind_ == Kind::continuous ? std::clamp(x, 0.0, 1.0) : at_level(level(x));
}

double Coordinate::from_unit(double u) const {
  if (kind_ != Kind::categorical) return snap(u);
  return static_cast<double>(
      std::min(levels() - 1, static_cast<std::uint64_t>(u * static_cast<double>(levels()))));
}

bool Coordinate::legal(double x) const {
  if (kind_ != Kind::categorical) return x >= 0.0 && x <= 1.0;
  return x >= 0.0 && x <= static_cast<double>(max_) && x == std::floor(x);
}

Coordinates::Coordinates(std::vector<Coordinate> items) : items_(std::move(items)), cardinality_(1) {
  require(!items_.empty(), "a space needs at least one coordinate");
  for (Index i = 0; i < size(); ++i) {
    const Coordinate& c = (*this)[i];
    (c.kind() == Kind::categorical ? categorical_ : numeric_).push_back(i);
    (c.discrete() ? discrete_ : continuous_).push_back(i);
    if (!c.discrete() || (cardinality_ && *cardinality_ > (1ULL << 63) / c.levels())) cardinality_.reset();
    if (cardinality_) *cardinality_ *= c.levels();
  }
}

void Coordinates::from_unit(MutableVectorView x) const {
  for (Index i = 0; i < size(); ++i) {
    auto& value = x[static_cast<std::size_t>(i)];
    value = (*this)[i].from_unit(value);
  }
}

void Coordinates::at(std::uint64_t number, MutableVectorView x) const {
  for (Index i = size() - 1; i >= 0; --i) {
    const std::uint64_t levels = (*this)[i].levels();
    x[static_cast<std::size_t>(i)] = (*this)[i].at_level(number % levels);
    number /= levels;
  }
}

bool Coordinates::same(VectorView a, VectorView b) const {
  for (Index i = 0; i < size(); ++i) {
    const double p = a[static_cast<std::size_t>(i)], q = b[static_cast<std::size_t>(i)];
    if (p == q) continue;
    const Coordinate& c = (*this)[i];
    if (c.discrete() ? c.level(p) != c.level(q) : std::abs(p - q) > same_tolerance) return false;
  }
  return true;
}

void Coordinates::check(MatrixView X) const {
  if (X.cols() != size()) {
    throw InvalidArgument("points have " + std::to_string(X.cols()) + " columns where the space has " +
                          std::to_string(size()) + " coordinates");
  }
  for (Index i = 0; i < X.rows(); ++i) {
    for (Index j = 0; j < X.cols(); ++j) {
      if ((*this)[j].legal(X(i, j))) continue;
      throw InvalidArgument("row " + std::to_string(i) + ", column " + std::to_string(j) + ": " +
                            std::to_string(X(i, j)) +
                            " is not legal; numbers are encoded in [0, 1], a categorical as its index");
    }
  }
}

std::vector<Index> Coordinates::free(VectorView held) const {
  require(held.empty() || static_cast<Index>(held.size()) == size(), "held must have an entry a coordinate");
  std::vector<Index> out;
  for (Index i = 0; i < size(); ++i) {
    const double value = held.empty() ? std::nan("") : held[static_cast<std::size_t>(i)];
    if (std::isnan(value)) out.push_back(i);
    require(std::isnan(value) || (*this)[i].legal(value), "a held value must be a legal code");
  }
  require(!out.empty(), "a coordinate must be free");
  return out;
}

Coordinates Coordinates::part(const std::vector<Index>& columns) const {
  std::vector<Coordinate> out;
  for (const Index i : columns) out.push_back((*this)[i]);
  return Coordinates(std::move(out));
}

void hold(VectorView held, MutableVectorView x) {
  for (std::size_t i = 0; i < held.size(); ++i) {
    if (!std::isnan(held[i])) x[i] = held[i];
  }
}

}  // namespace hpt
