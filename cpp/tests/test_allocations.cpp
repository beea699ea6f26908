// Counts what the inner loops allocate: nothing, once their memory is there.
#include <doctest.h>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

#include "hpt/acquisition.hpp"
#include "hpt/lbfgsb.hpp"
#include "hpt/maximize.hpp"
#include "hpt/posterior_density.hpp"
#include "hpt/subset.hpp"
#include "hpt/tried.hpp"
#include "reference_blas.hpp"

namespace {

std::atomic<long> allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
  ++allocations;
  void* memory = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) {
  return counted(size, alignof(std::max_align_t));
}
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {  // sorting asks for its buffer so
  return std::aligned_alloc(alignof(std::max_align_t), (size + 15) / 16 * 16);
}
void operator delete(void* memory, const std::nothrow_t&) noexcept {
  std::free(memory);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
  std::free(memory);
}

using namespace hpt;

namespace {

Hyperparameters warped(const Coordinates& space) {
  Hyperparameters at = prior_mode(space);
  at.warp_a.assign(space.numeric().size(), 1.3);
  at.warp_b.assign(space.numeric().size(), 0.8);
  return at;
}

template <typename Work>
long allocated_by(Work work) {
  const long before = allocations;
  work();
  return allocations - before;
}

}  // namespace

TEST_CASE("steps of the search and look-ups of tried points allocate nothing") {
  const Coordinates space = reference::mixed_space();
  const Matrix X = reference::points(space, 60, 1);
  Tried tried(space);
  tried.add(X);
  bool found = false;
  CHECK(allocated_by([&] {
          for (Index i = 0; i < 60; ++i) found |= tried.contains(X.row(i));
        }) == 0);
  CHECK(found);

  const Vector lower(5, -2.0), upper(5, 2.0);
  BoundedSearch search(Vector(5, 1.5), lower, upper, {});
  Vector gradient(5);
  CHECK(allocated_by([&] {
          while (!search.done()) {
            double value = 0.0;
            for (std::size_t i = 0; i < 5; ++i) {
              value += std::pow(search.trial()[i] - 0.3, 4);
              gradient[i] = 4 * std::pow(search.trial()[i] - 0.3, 3);
            }
            search.tell(value, gradient);
          }
        }) == 0);
  CHECK(search.result().iterations > 5);
}

TEST_CASE("evaluations of an ascent allocate nothing, whatever the acquisition") {
  const Coordinates space = reference::mixed_space();
  for (const Index n : {20, 400}) {  // by one factor, and by one made in blocks
    const Matrix X = reference::points(space, n, 2);
    const GaussianProcess model(space, X, reference::normals(n, 3), warped(space));
    const GaussianProcess imagined =
        model.imagine(reference::points(space, 2, 4), 4, Stream(1, 1, Use::fantasies));
    Hyperparameters plain = prior_mode(space);
    plain.tail_limit = std::numeric_limits<double>::infinity();
    const GaussianProcess labels(space, X, reference::normals(n, 8), plain);
    const double worst = std::numeric_limits<double>::infinity();
    const LogExpectedImprovement improvement(imagined, worst, 1.2, &labels, true);
    const LogExpectedImprovement noisy(imagined, worst, 1.2, nullptr, 5, 4, Stream(1, 2, Use::incumbents));
    const ConfidenceBound bound(imagined, 2.0, nullptr);
    const Matrix P = reference::points(space, 10, 5);
    for (const Acquisition* acquisition :
         {static_cast<const Acquisition*>(&improvement), static_cast<const Acquisition*>(&noisy),
          static_cast<const Acquisition*>(&bound)}) {
      Acquisition::Batch batch;
      acquisition->evaluate(P, batch);
      CHECK(allocated_by([&] {
              for (Index rows = 10; rows > 0; --rows) acquisition->evaluate(MatrixView(P).head(rows), batch);
            }) == 0);
    }
  }
}

TEST_CASE("evaluations of the density allocate nothing") {
  const Coordinates space = reference::mixed_space();
  for (const Index n : {20, 400}) {
    const Matrix X = reference::points(space, n, 6);
    const Vector y = reference::normals(n, 7);
    PosteriorDensity density(space, X, y, true);
    Vector theta;
    for (const NormalPrior& prior : density.priors()) theta.push_back(prior.center);
    Vector gradient(theta.size());
    density.value(theta);
    density.gradient(gradient);
    CHECK(allocated_by([&] {
            density.value(theta);
            density.gradient(gradient);
          }) == 0);
  }
}

TEST_CASE("predictions allocate a number of times that depends on their chunks alone") {
  const Coordinates space = reference::mixed_space();
  const Matrix P = reference::points(space, 64, 5);
  long counts[2];
  int at = 0;
  for (const Index n : {20, 200}) {
    const GaussianProcess model(space, reference::points(space, n, 2), reference::normals(n, 3),
                                warped(space));
    Vector mean(64), variance(64);
    counts[at++] = allocated_by([&] { model.predict(P, mean, variance); });
    Predictions again;
    model.predict(P, false, again);
    CHECK(allocated_by([&] { model.predict(P, false, again); }) == 0);
  }
  CHECK(counts[0] == counts[1]);
}

TEST_CASE("a longer search or fit allocates no more than a short one") {
  const Coordinates space({Coordinate::continuous(), Coordinate::continuous(), Coordinate::continuous()});
  const Matrix X = reference::points(space, 40, 9), none(0, 3);
  Vector y;
  for (Index i = 0; i < 40; ++i) y.push_back(std::sin(5.0 * X(i, 0)) + X(i, 1) * X(i, 2));
  const GaussianProcess model(space, X, y, warped(space));
  fit_hyperparameters(space, X, y);
  long found[2], fitted[2];
  for (const int k : {0, 1}) {
    SearchOptions search;
    search.steps = k == 0 ? 2 : 40;
    found[k] = allocated_by([&] { propose(model, none, none, 1, 41, search); });
    FitOptions fit;
    fit.iterations = k == 0 ? 2 : 60;
    fitted[k] = allocated_by([&] { fit_hyperparameters(space, X, y, fit); });
  }
  CHECK(found[0] == found[1]);
  CHECK(fitted[0] == fitted[1]);
}
