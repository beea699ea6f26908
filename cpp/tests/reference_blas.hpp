// The obvious twin of the BLAS and LAPACK routines that the core calls, and a few test helpers.
#pragma once

#include "hpt/blas.hpp"
#include "hpt/coordinates.hpp"
#include "hpt/random.hpp"

namespace hpt::reference {

BlasTable table();
int threads();  // what get_threads of the table would say; starts at 4

// n random legal points of a space.
inline Matrix points(const Coordinates& space, Index n, std::uint64_t seed) {
  Stream stream(seed, 0, Use::local_candidates);
  Matrix X(n, space.size());
  for (Index i = 0; i < n; ++i) {
    for (double& value : X.row(i)) value = stream.uniform();
    space.from_unit(X.row(i));
  }
  return X;
}

inline Vector normals(Index n, std::uint64_t seed) {
  Stream stream(seed, 0, Use::fantasies);
  Vector out(static_cast<std::size_t>(n));
  for (double& value : out) value = stream.normal();
  return out;
}

// Two continuous, one integer, one logarithmic integer and two categorical coordinates.
inline Coordinates mixed_space() {
  return Coordinates({Coordinate::continuous(), Coordinate::categorical(3), Coordinate::integer(-2, 4),
                      Coordinate::continuous(), Coordinate::integer(1, 1000, Scale::logarithmic),
                      Coordinate::categorical(2)});
}

}  // namespace hpt::reference
