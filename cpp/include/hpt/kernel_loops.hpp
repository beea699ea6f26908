// The kernel's innermost loops, over blocks of points laid out one coordinate after the other.
//
//   p, c     numeric and categorical coordinates          w   points in a block
//   columns  (p + c, stride): scaled numbers first, then indices of categories; stride a multiple of w
//   point    (p + c,): one point laid out in the same order
// Every loop runs over whole blocks, so that an entry's bits do not depend on its place in the array.
#pragma once

#include "hpt/view.hpp"

namespace hpt::loops {

inline constexpr Index width = 32;
inline constexpr Index blocks_of(Index n) {
  return (n + width - 1) / width;
}

struct KernelShape {
  Index numeric, categorical;  // p, c
  const double* inverse;       // (c,) 1 / l of the categorical coordinates
  double amplitude, mixing;
};

// Covariances of one point with many, and their derivatives; rows that are null are not written.
struct KernelRow {
  double* value;        // k
  double* numeric;      // dk / d(r^2)
  double* categorical;  // dk / d(log k_h)
  double* mixing;       // dk / d(lam)
};

void kernel_row(const KernelShape& shape, const double* point, const double* columns, Index stride,
                Index blocks, const KernelRow& out);

// sum_j weight_j k(point, j) in single precision: three times as fast, to about six digits.
float weighted_sum(const KernelShape& shape, const float* point, const float* columns, Index stride,
                   Index blocks, const float* weights);

double dot(const double* a, const double* b, Index blocks);
double largest(const double* a, Index blocks);  // at least 0
// y <- y + factor x
void add(double factor, const double* x, double* y, Index blocks);
void multiply(const double* x, double* y, Index blocks);  // y <- x y, entry by entry
// sum_j weight_j (at - column_j)
double pull(double at, const double* column, const double* weight, Index blocks);

// One row a of W = alpha alpha' - K^-1, met with the rows of the kernel's derivatives: entries b < count
// only.
struct WeightRow {
  double alpha;           // of point a
  const double* alphas;   // of all points
  const double* inverse;  // K^-1
  KernelRow derivatives;  // `value` is not read
  Index count;
};
// numeric <- W dk/d(r^2), which may take the place of the derivative, categorical <- W dk/d(log k_h), each up
// to the end of the last block; returns the sum of W dk/d(lam)
double weigh(const WeightRow& row, double* numeric, double* categorical);
// sum_b weight_b [at != column_b]
double sum_unequal(double at, const double* column, const double* weight, Index blocks);

// distances_b <- min(distances_b, squared distance from the point to point b, unequal categories counting 1)
void lower_distances(Index numeric, Index categorical, const double* point, const double* columns,
                     Index stride, double* distances);

}  // namespace hpt::loops
