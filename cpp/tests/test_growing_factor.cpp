#include <doctest.h>

#include <algorithm>
#include <cmath>
#include <thread>

#include "hpt/acquisition.hpp"
#include "hpt/error.hpp"
#include "hpt/gaussian_process.hpp"
#include "hpt/growing_factor.hpp"
#include "hpt/maximize.hpp"
#include "reference_blas.hpp"

using namespace hpt;

namespace {

const Hyperparameters at{Vector{0.4, 1.0, 0.6, 0.9, 0.5, 2.0}, 1.7, 1e-2, 0.3, 0.4};

// The factor of a model's covariance of its first `base` points as one, the rest in portions of that many
// rows.
GrowingFactor in_portions(const Matrix& K, Index base, Index portion) {
  GrowingFactor L(base);
  for (Index i = 0; i < base; ++i) std::copy_n(K.row(i).begin(), i + 1, L.row(i));
  REQUIRE(cholesky(L, Team()) == 0);
  Vector scratch;
  for (Index first = base; first < K.rows(); first += portion) {
    const Index count = std::min(portion, K.rows() - first);
    L = L.grown(count);
    for (Index i = first; i < first + count; ++i) std::copy_n(K.row(i).begin(), i + 1, L.row(i));
    append_rows(L, count, K(0, 0), 1e-12, scratch);
  }
  return L;
}

bool same_rows(const GrowingFactor& A, const GrowingFactor& B) {
  if (A.rows() != B.rows()) return false;
  for (Index i = 0; i < A.rows(); ++i) {
    if (!std::equal(A.row(i), A.row(i) + i + 1, B.row(i))) return false;
  }
  return true;
}

Vector values_at(const GaussianProcess& model, const Matrix& P) {
  Matrix mean;
  Vector variance(static_cast<std::size_t>(P.rows()));
  model.predict_standardized(P, mean, variance);
  Vector out(mean.data(), mean.data() + mean.rows() * mean.cols());
  out.insert(out.end(), variance.begin(), variance.end());
  return out;
}

}  // namespace

TEST_CASE("rows appended in any portions have the same bits and are those of one factor") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 150, 31);
  Matrix K = Kernel(space, at).cross(X, X);
  for (Index i = 0; i < K.rows(); ++i) K(i, i) += at.noise;
  const GrowingFactor one = in_portions(K, 40, 110);
  for (const Index portion : {1, 2, 5, 8, 13, 64}) CHECK(same_rows(one, in_portions(K, 40, portion)));
  Matrix L(K);
  REQUIRE(cholesky(L) == 0);
  for (Index i = 0; i < K.rows(); ++i) {
    for (Index j = 0; j <= i; ++j) CHECK(std::abs(one(i, j) - L(i, j)) < 1e-11);
  }
}

TEST_CASE("factors that grow from one another do not disturb each other") {
  GrowingFactor a(3);
  for (Index i = 0; i < 3; ++i) std::fill_n(a.row(i), i + 1, 1.0);
  GrowingFactor b = a.grown(1);
  CHECK(b.row(0) == a.row(0));  // in the same memory
  std::fill_n(b.row(3), 4, 2.0);
  GrowingFactor c = a.grown(1);  // b has a row there
  CHECK(c.row(0) != a.row(0));
  std::fill_n(c.row(3), 4, 3.0);
  CHECK(b(3, 3) == 2.0);
  CHECK(c(2, 2) == 1.0);
  b = GrowingFactor();
  const GrowingFactor d = a.grown(2);  // whose row is no longer needed
  CHECK(d.row(0) == a.row(0));
  const GrowingFactor large = c.grown(500);
  CHECK(large.rows() == 504);
  CHECK(large(3, 3) == 3.0);
  std::vector<std::thread> threads;
  std::vector<GrowingFactor> grown(8);
  for (std::size_t k = 0; k < grown.size(); ++k) {
    threads.emplace_back([&, k] {
      grown[k] = large.grown(1);
      std::fill_n(grown[k].row(504), 505, static_cast<double>(k));
    });
  }
  for (std::thread& each : threads) each.join();
  for (std::size_t k = 0; k < grown.size(); ++k) CHECK(grown[k](504, 504) == static_cast<double>(k));
}

TEST_CASE("a model that is extended is the one made of all with the same base, to the bit") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 90, 32), P = reference::points(space, 30, 33);
  const Vector y = reference::normals(90, 34);
  const auto head = [&](Index n) { return VectorView(y).first(static_cast<std::size_t>(n)); };
  GaussianProcess grown(space, MatrixView(X).head(40), head(40), at, 1, 30);
  for (Index n = 40; n < 90; n += 10) {
    const GaussianProcess imagined = grown.imagine(P, 4, Stream(1, 1, Use::fantasies));
    grown = grown.extend(MatrixView(X.row(n).data(), 10, 6), head(n + 10));
    CHECK(imagined.points().rows() == n + 30);
  }
  const GaussianProcess whole(space, X, y, at, 1, 30);
  CHECK(values_at(grown, P) == values_at(whole, P));
  CHECK(grown.log_marginal_likelihood() == whole.log_marginal_likelihood());
  const Vector near = values_at(GaussianProcess(space, X, y, at), P), exact = values_at(whole, P);
  for (std::size_t k = 0; k < near.size(); ++k) CHECK(std::abs(near[k] - exact[k]) < 1e-9);
  CHECK_THROWS_AS(whole.extend(Matrix(0, 6), head(89)), InvalidArgument);
  CHECK_THROWS_AS(GaussianProcess(space, X, y, at).extend(Matrix(0, 6), y), InvalidArgument);
}

TEST_CASE("outcomes imagined one after the other are those imagined at once") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 50, 35), P = reference::points(space, 20, 36);
  const Matrix pending = reference::points(space, 21, 37);
  const GaussianProcess model(space, X, reference::normals(50, 38), at);
  const GaussianProcess at_once = model.imagine(pending, 8, Stream(2, 1, Use::fantasies));
  GaussianProcess one_by_one = model.imagine(MatrixView(pending).head(4), 8, Stream(2, 1, Use::fantasies));
  for (Index i = 4; i < 21; ++i)
    one_by_one = one_by_one.imagine_further(MatrixView(pending.row(i).data(), 1, 6));
  CHECK(values_at(one_by_one, P) == values_at(at_once, P));
  CHECK(one_by_one.observed() == 50);
  CHECK_THROWS_AS(model.imagine_further(pending), InvalidArgument);
}

TEST_CASE("landmarks bound variances, the closer the more of them there are") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 80, 39), P = reference::points(space, 70, 40);
  const GaussianProcess model(space, X, reference::normals(80, 41), at);
  Matrix mean, all_means;
  Vector exact(70), few(70), near(70), all(70);
  model.predict_standardized(P, mean, exact);
  model.predict_means(P, all_means);
  std::vector<Index> rows;
  for (Index i = 0; i < 80; ++i) rows.push_back(i);
  model.bound_variances(P, model.landmarks({rows.begin(), rows.begin() + 20}), few, Team(2));
  model.bound_variances(P, model.landmarks(rows), all);
  const std::vector<Index> close = model.nearest(MatrixView(P).head(1), 20);
  CHECK(close.size() == 20);
  model.bound_variances(P, model.landmarks(close), near);
  for (std::size_t k = 0; k < 70; ++k) {
    CHECK(few[k] >= exact[k] - 1e-12);
    CHECK(all[k] == doctest::Approx(exact[k]).epsilon(1e-9));
    CHECK(all_means(static_cast<Index>(k), 0) == mean(static_cast<Index>(k), 0));
  }
  CHECK(near[0] < few[0]);
}

TEST_CASE("means in single precision are as close as they are said to be") {
  for (const Coordinates& space :
       {reference::mixed_space(), Coordinates(std::vector<Coordinate>(6, Coordinate::categorical(3))),
        Coordinates(std::vector<Coordinate>(6, Coordinate::continuous()))}) {
    const Matrix X = reference::points(space, 120, 42), P = reference::points(space, 200, 43);
    const GaussianProcess model(space, X, reference::normals(120, 44), at);
    Vector exact(200), rough(200);
    model.predict_mean(P, exact);
    const double error = model.predict_rough_mean(P, rough, Team(2));
    CHECK(error < 1e-3);
    for (std::size_t k = 0; k < 200; ++k) CHECK(std::abs(rough[k] - exact[k]) < 4.0 * error);
  }
}
