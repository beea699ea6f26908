// Random numbers without state: draw number i of a stream is a function of (seed, trial, use, i).
//
// Philox 4x64-10: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
// Sobol' points: Joe and Kuo 2008 (direction numbers new-joe-kuo-6); random linear scrambling with a digital
// shift: Matousek 1998.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "hpt/view.hpp"

namespace hpt {

// What a stream is for. The values are part of the recorded behaviour: append, never renumber.
enum class Use : std::uint64_t {
  design_scramble = 1,     // scrambling of the first points' sequence
  design_retry = 2,        // replacements where a first point was tried before
  candidate_scramble = 3,  // scrambling of the candidates of one ask
  local_candidates = 4,    // perturbations of the incumbents
  fantasies = 5,           // outcomes drawn for pending trials
  enumeration = 6,         // where a walk over a finite space starts
  incumbents = 7,          // what the function may be at the points likeliest to be best
  thompson = 8,            // the function at the candidates of one ask
  hyperparameters = 9,     // draws of the kernel's hyperparameters for one ask
  neighbours = 10,         // which of a point's many discrete neighbours are scored
};

std::array<std::uint64_t, 4> philox(std::array<std::uint64_t, 4> counter, std::array<std::uint64_t, 2> key);

class Stream {
 public:
  Stream(std::uint64_t seed, std::uint64_t trial, Use use, std::uint64_t part = 0)
      : key_{seed, static_cast<std::uint64_t>(use)}, counter_{0, trial, part, 0} {}
  std::uint64_t bits();                      // 64 uniform bits
  double uniform();                          // [0, 1), a multiple of 2⁻⁵³
  double normal();                           // standard normal, by inversion: one draw, one block position
  std::uint64_t below(std::uint64_t limit);  // {0, ..., limit - 1}, each with the same chance

 private:
  std::array<std::uint64_t, 2> key_;
  std::array<std::uint64_t, 4> counter_;
  std::array<std::uint64_t, 4> block_{};
  int used_ = 4;
};

double normal_quantile(double p);  // Wichura, algorithm AS 241 (1988); p in (0, 1)

class Sobol {
 public:
  static constexpr int bits = 53;
  static constexpr Index max_dimension = 256;
  explicit Sobol(Index dimension);          // the plain sequence, starting at the origin
  Sobol(Index dimension, Stream scramble);  // scrambled with bits of that stream
  Index dimension() const { return dimension_; }
  void point(std::uint64_t index,
             MutableVectorView x) const;  // any index below 2⁵³; x (dimension,) in [0, 1)

 private:
  Index dimension_;
  std::vector<std::uint64_t> directions_;  // (dimension, bits)
  std::vector<std::uint64_t> shift_;       // (dimension,)
};

}  // namespace hpt
