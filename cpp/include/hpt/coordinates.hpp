// The typed coordinates of a search space, as the core sees them.
//
// A point is d doubles. A numeric coordinate holds its place u in [0, 1] on its scale, a categorical the
// index of its value. Discrete coordinates (integer, categorical) take `levels` values; level 0 is the
// minimum.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "hpt/view.hpp"

namespace hpt {

enum class Kind { continuous, integer, categorical };
enum class Scale { linear, logarithmic, reverse_logarithmic };

class Coordinate {
 public:
  static Coordinate continuous(Scale scale = Scale::linear);
  static Coordinate integer(std::int64_t min, std::int64_t max, Scale scale = Scale::linear);
  static Coordinate categorical(std::int64_t count);

  Kind kind() const { return kind_; }
  bool discrete() const { return kind_ != Kind::continuous; }
  Scale scale() const { return scale_; }
  std::int64_t min() const { return min_; }
  std::int64_t max() const { return max_; }
  std::uint64_t levels() const;            // of a discrete coordinate
  std::uint64_t level(double x) const;     // the level nearest to the encoded value x
  double at_level(std::uint64_t k) const;  // the encoded value of level k
  double snap(double x) const;             // nearest legal encoded value
  double from_unit(double u) const;        // a legal encoded value from u in [0, 1], each level its share
  bool legal(double x) const;              // finite and within range (need not be snapped)
  bool operator==(const Coordinate&) const = default;

 private:
  Kind kind_ = Kind::continuous;
  Scale scale_ = Scale::linear;
  std::int64_t min_ = 0;
  std::int64_t max_ = 0;
};

class Coordinates {
 public:
  explicit Coordinates(std::vector<Coordinate> items);
  Index size() const { return static_cast<Index>(items_.size()); }
  bool operator==(const Coordinates& other) const { return items_ == other.items_; }
  const Coordinate& operator[](Index i) const { return items_[static_cast<std::size_t>(i)]; }
  const std::vector<Index>& numeric() const { return numeric_; }          // columns of numbers
  const std::vector<Index>& categorical() const { return categorical_; }  // columns of indices
  const std::vector<Index>& continuous() const { return continuous_; }
  const std::vector<Index>& discrete() const { return discrete_; }
  // How many points there are; empty for a space with a continuous coordinate or with more than 2⁶³ points.
  std::optional<std::uint64_t> cardinality() const { return cardinality_; }
  // Of so many coordinates that a search has no more trials than they are, or few times as many.
  bool wide() const { return size() > 100; }
  void from_unit(MutableVectorView x) const;
  void at(std::uint64_t number, MutableVectorView x) const;  // the point of that number in mixed-radix order
  // Far below what a search resolves, far above the rounding of a scale.
  static constexpr double same_tolerance = 1e-9;
  // Discrete coordinates equal by level, continuous ones within the tolerance.
  bool same(VectorView a, VectorView b) const;
  void check(MatrixView X) const;  // throws InvalidArgument unless every entry is legal
  // The coordinates that are not held: where `held`, (d,) or empty, is NaN.
  std::vector<Index> free(VectorView held) const;
  Coordinates part(const std::vector<Index>& columns) const;

 private:
  std::vector<Coordinate> items_;
  std::vector<Index> numeric_, categorical_, continuous_, discrete_;
  std::optional<std::uint64_t> cardinality_;
};

// Moves the coordinates that are held to their values: held is (d,), NaN where one is free, or empty.
void hold(VectorView held, MutableVectorView x);

}  // namespace hpt
