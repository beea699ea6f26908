// Counts what the inner loops allocate: nothing, once their memory is there.
#include <doctest.h>

#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <new>

#include "hpt/acquisition.hpp"
#include "hpt/lbfgsb.hpp"
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

template <typename Work>
long allocated_by(Work work) {
  const long before = allocations;
  work();
  return allocations - before;
}

}  // namespace

TEST_CASE("steps of the search and its questions to what was tried allocate nothing") {
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

TEST_CASE("an ascent's evaluations allocate no more for many observations and points than for few") {
  long counts[2];
  int at = 0;
  for (const Index n : {20, 200}) {
    const Coordinates space = reference::mixed_space();
    const GaussianProcess model(space, reference::points(space, n, 2), reference::normals(n, 3),
                                prior_mode(space));
    const GaussianProcess imagined =
        model.imagine(reference::points(space, 2, 4), 4, Stream(1, 1, Use::fantasies));
    const LogExpectedImprovement acquisition(imagined);
    const Matrix P = reference::points(space, 10, 5);
    Acquisition::Batch batch;
    acquisition.evaluate(P, batch);
    counts[at++] = allocated_by([&] {
      for (Index rows = 10; rows > 0; --rows) acquisition.evaluate(MatrixView(P).head(rows), batch);
    });
  }
  CHECK(counts[0] == counts[1]);
  CHECK(counts[0] <= 10 * 2 * 8);  // two kernels a call, each with a few vectors of d numbers
}

TEST_CASE("an evaluation of the density allocates no more for many observations than for few") {
  long counts[2];
  int at = 0;
  for (const Index n : {20, 200}) {
    const Coordinates space = reference::mixed_space();
    const Matrix X = reference::points(space, n, 6);
    const Vector y = reference::normals(n, 7);
    PosteriorDensity density(space, X, y, true);
    Vector theta;
    for (const NormalPrior& prior : density.priors()) theta.push_back(prior.center);
    Vector gradient(theta.size());
    density.value(theta);
    density.gradient(gradient);
    counts[at++] = allocated_by([&] {
      density.value(theta);
      density.gradient(gradient);
    });
  }
  CHECK(counts[0] == counts[1]);
  CHECK(counts[0] <= 16);  // hyperparameters and a kernel, each with a few vectors of d numbers
}
