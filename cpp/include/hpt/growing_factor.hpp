// The lower factor of a positive definite matrix that grows by rows, as a search grows by observations.
//
// A factor of n rows never changes, but shares its memory with those that it grew from and those grown from
// it, so that one row more costs the arithmetic of that row alone. The row behind the last is written in
// place unless another factor already has one there; then the rows are copied first.
#pragma once

#include <memory>
#include <mutex>

#include "hpt/blas.hpp"
#include "hpt/factor.hpp"
#include "hpt/view.hpp"

namespace hpt {

class GrowingFactor {
 public:
  GrowingFactor() = default;
  explicit GrowingFactor(Index n);  // rows are unset: the caller fills them before it hands the factor on
  // These rows and `more` behind them, which are unset.
  GrowingFactor grown(Index more) const;
  Index rows() const { return n_; }
  Index stride() const { return memory_ ? memory_->stride : 0; }
  double* row(Index i) { return memory_->numbers.data() + i * memory_->stride; }
  const double* row(Index i) const { return memory_->numbers.data() + i * memory_->stride; }
  double operator()(Index i, Index j) const { return row(i)[j]; }
  operator Factor() const { return {row(0), n_, stride()}; }
  operator SquareView() { return {row(0), n_, stride()}; }

 private:
  struct Memory {
    explicit Memory(Index capacity);
    std::mutex mutex;
    std::vector<double, UnsetAllocator> numbers;
    Index stride = 0, capacity = 0;
    Index used = 0;  // rows that some factor has
  };
  std::shared_ptr<Memory> memory_;
  Index n_ = 0;
};

}  // namespace hpt
