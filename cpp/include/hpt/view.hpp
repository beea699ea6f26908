// Views of contiguous doubles, and the arrays that own them. Matrices are row-major: row i is one point.
#pragma once

#include <cstddef>
#include <new>
#include <span>
#include <vector>

namespace hpt {

using Index = std::ptrdiff_t;
using VectorView = std::span<const double>;
using MutableVectorView = std::span<double>;

// Every array starts on a cache line, so that a kernel which treats unaligned heads apart gives the same bits
// wherever the allocator placed its operands.
template <typename T>
struct AlignedAllocator {
  using value_type = T;
  static constexpr std::align_val_t alignment{64};
  AlignedAllocator() = default;
  template <typename U>
  AlignedAllocator(const AlignedAllocator<U>&) {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), alignment)); }
  void deallocate(T* pointer, std::size_t) { ::operator delete(pointer, alignment); }
  bool operator==(const AlignedAllocator&) const { return true; }
};

using Vector = std::vector<double, AlignedAllocator<double>>;

// Leaves numbers as they are found in memory, for arrays that are written whole before they are read.
struct UnsetAllocator : AlignedAllocator<double> {
  template <typename U>
  struct rebind {
    using other = UnsetAllocator;
  };
  void construct(double*) {}
  void construct(double* at, double value) { *at = value; }
};

// (rows, cols), row-major, rows adjacent.
class MatrixView {
 public:
  MatrixView() = default;
  MatrixView(const double* data, Index rows, Index cols) : data_(data), rows_(rows), cols_(cols) {}
  const double* data() const { return data_; }
  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  double operator()(Index i, Index j) const { return data_[i * cols_ + j]; }
  VectorView row(Index i) const { return {data_ + i * cols_, static_cast<std::size_t>(cols_)}; }
  MatrixView head(Index rows) const { return {data_, rows, cols_}; }

 private:
  const double* data_ = nullptr;
  Index rows_ = 0;
  Index cols_ = 0;
};

class Matrix {
 public:
  Matrix() = default;
  Matrix(Index rows, Index cols, double fill = 0.0)
      : storage_(static_cast<std::size_t>(rows * cols), fill), rows_(rows), cols_(cols) {}
  explicit Matrix(MatrixView view)
      : storage_(view.data(), view.data() + view.rows() * view.cols()),
        rows_(view.rows()),
        cols_(view.cols()) {}
  double* data() { return storage_.data(); }
  const double* data() const { return storage_.data(); }
  Index rows() const { return rows_; }
  Index cols() const { return cols_; }
  double& operator()(Index i, Index j) { return storage_[static_cast<std::size_t>(i * cols_ + j)]; }
  double operator()(Index i, Index j) const { return storage_[static_cast<std::size_t>(i * cols_ + j)]; }
  MutableVectorView row(Index i) { return {data() + i * cols_, static_cast<std::size_t>(cols_)}; }
  VectorView row(Index i) const { return {data() + i * cols_, static_cast<std::size_t>(cols_)}; }
  operator MatrixView() const { return {data(), rows_, cols_}; }
  void append_row(VectorView values) {
    storage_.insert(storage_.end(), values.begin(), values.end());
    cols_ = static_cast<Index>(values.size());
    ++rows_;
  }

 private:
  Vector storage_;
  Index rows_ = 0;
  Index cols_ = 0;
};

}  // namespace hpt
