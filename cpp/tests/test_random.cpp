#include <doctest.h>

#include <cmath>
#include <set>

#include "hpt/error.hpp"
#include "hpt/random.hpp"

using namespace hpt;

TEST_CASE(
    "Philox gives the published vectors") {  // known answers of Random123 1.09, philox4x64 with 10 rounds
  const auto zero = philox({0, 0, 0, 0}, {0, 0});
  CHECK(zero[0] == 0x16554d9eca36314cULL);
  CHECK(zero[1] == 0xdb20fe9d672d0fdcULL);
  CHECK(zero[2] == 0xd7e772cee186176bULL);
  CHECK(zero[3] == 0x7e68b68aec7ba23bULL);
}

TEST_CASE("streams of other seeds, trials, uses and parts differ; the same one repeats") {
  std::set<std::uint64_t> first;
  const auto draw = [](std::uint64_t seed, std::uint64_t trial, Use use, std::uint64_t part) {
    return Stream(seed, trial, use, part).bits();
  };
  first.insert(draw(1, 1, Use::fantasies, 0));
  first.insert(draw(2, 1, Use::fantasies, 0));
  first.insert(draw(1, 2, Use::fantasies, 0));
  first.insert(draw(1, 1, Use::enumeration, 0));
  first.insert(draw(1, 1, Use::fantasies, 1));
  CHECK(first.size() == 5);
  CHECK(first.count(draw(1, 1, Use::fantasies, 0)) == 1);
}

TEST_CASE("below is uniform and in range") {
  Stream stream(3, 0, Use::enumeration);
  int counts[5] = {};
  for (int i = 0; i < 5000; ++i) ++counts[stream.below(5)];
  for (const int count : counts) CHECK(std::abs(count - 1000) < 150);
  CHECK_THROWS_AS(stream.below(0), InvalidArgument);
}

TEST_CASE("normal quantiles") {
  CHECK(normal_quantile(0.5) == 0.0);
  CHECK(normal_quantile(0.975) == doctest::Approx(1.959963984540054).epsilon(1e-15));
  CHECK(normal_quantile(1e-300) == doctest::Approx(-37.0471).epsilon(1e-6));
}

TEST_CASE("every dimension of Sobol' points is a permutation of equal cells, plain and scrambled") {
  constexpr int count = 1 << 8;
  const Sobol plain(Sobol::max_dimension),
      scrambled(Sobol::max_dimension, Stream(7, 0, Use::design_scramble));
  for (const Sobol* sequence : {&plain, &scrambled}) {
    Matrix X(count, Sobol::max_dimension);
    for (Index i = 0; i < count; ++i) sequence->point(static_cast<std::uint64_t>(i), X.row(i));
    for (Index j = 0; j < X.cols(); ++j) {
      std::set<int> cells;
      for (Index i = 0; i < count; ++i) cells.insert(static_cast<int>(X(i, j) * count));
      CHECK(cells.size() == count);
      CHECK(*cells.rbegin() == count - 1);
    }
  }
}

TEST_CASE("Sobol' refuses dimensions it has no numbers for") {
  CHECK_THROWS_AS(Sobol(0), InvalidArgument);
  CHECK_THROWS_AS(Sobol(Sobol::max_dimension + 1), InvalidArgument);
}
