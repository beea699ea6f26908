#include "hpt/kernel_loops.hpp"

#include <cmath>

#include "hpt/dispatch.hpp"

namespace hpt::loops {
namespace {

constexpr Index lanes = 16;  // of a sum: enough to hide the adder's latency, and always added up in one order

HPT_INLINE double add_up(const double (&sum)[lanes]) {
  double half[lanes / 2];
  for (Index j = 0; j < lanes / 2; ++j) half[j] = sum[j] + sum[j + lanes / 2];
  for (Index size = lanes / 4; size > 0; size /= 2) {
    for (Index j = 0; j < size; ++j) half[j] += half[j + size];
  }
  return half[0];
}

// Squared scaled distances to one block.
HPT_INLINE void distances_to(Index numeric, const double* point, const double* columns, Index stride,
                             double (&squared)[width]) {
  if (numeric == 0) {
    for (Index j = 0; j < width; ++j) squared[j] = 0.0;
    return;
  }
  for (Index j = 0; j < width; ++j) {  // not from zeros, which GCC would write by a slow string instruction
    const double difference = point[0] - columns[j];
    squared[j] = difference * difference;
  }
  for (Index i = 1; i < numeric; ++i) {
    const double at = point[i];
    const double* column = columns + i * stride;
    for (Index j = 0; j < width; ++j) {
      const double difference = at - column[j];
      squared[j] += difference * difference;
    }
  }
}

// Adds to one block the weights of the categories that differ.
HPT_INLINE void add_mismatches(Index categorical, const double* weights, const double* point,
                               const double* columns, Index stride, double (&mismatch)[width]) {
  for (Index i = 0; i < categorical; ++i) {
    const double at = point[i], weight = weights[i];
    const double* column = columns + i * stride;
    for (Index j = 0; j < width; ++j) mismatch[j] += weight * (at != column[j] ? 1.0 : 0.0);
  }
}

}  // namespace

HPT_CLONES void kernel_row(const KernelShape& shape, const double* point, const double* columns, Index stride,
                           Index blocks, const KernelRow& out) {
  const bool numbers = shape.numeric > 0, categories = shape.categorical > 0;
  const double s = shape.amplitude;
  const double sum = numbers && categories ? 0.5 * (1.0 - shape.mixing) : 0.0;
  const double product = numbers && categories ? shape.mixing : 1.0;
  for (Index block = 0; block < blocks; ++block) {
    double kx[width], slope[width], kh[width];
    const double* first = columns + block * width;
    distances_to(shape.numeric, point, first, stride, kx);
    if (categories) {
      for (Index j = 0; j < width; ++j) kh[j] = 0.0;
      add_mismatches(shape.categorical, shape.inverse, point + shape.numeric, first + shape.numeric * stride,
                     stride, kh);
    }
    for (Index j = 0; j < width; ++j) {
      const double t = std::sqrt(5.0 * kx[j]);
      const double decay = exp_of_negative(-t);
      kx[j] = (1.0 + t + t * t * (1.0 / 3.0)) * decay;
      slope[j] = s * (-5.0 / 6.0) * (1.0 + t) * decay;
    }
    double* value = out.value + block * width;
    if (!categories) {
      for (Index j = 0; j < width; ++j) value[j] = s * kx[j];
      if (out.numeric != nullptr) {
        for (Index j = 0; j < width; ++j) out.numeric[block * width + j] = slope[j];
      }
      continue;
    }
    for (Index j = 0; j < width; ++j) kh[j] = exp_of_negative(-kh[j]);
    for (Index j = 0; j < width; ++j) value[j] = s * (sum * (kx[j] + kh[j]) + product * kx[j] * kh[j]);
    if (out.numeric != nullptr) {
      for (Index j = 0; j < width; ++j) out.numeric[block * width + j] = (sum + product * kh[j]) * slope[j];
    }
    if (out.categorical != nullptr) {
      for (Index j = 0; j < width; ++j)
        out.categorical[block * width + j] = s * (sum + product * kx[j]) * kh[j];
    }
    if (out.mixing != nullptr) {
      for (Index j = 0; j < width; ++j)
        out.mixing[block * width + j] = s * (kx[j] * kh[j] - 0.5 * (kx[j] + kh[j]));
    }
  }
}

HPT_CLONES void lower_distances(Index numeric, Index categorical, const double* point, const double* columns,
                                Index stride, double* distances) {
  constexpr Index most = 256;
  double ones[most];
  for (Index i = 0; i < most; ++i) ones[i] = 1.0;
  for (Index block = 0; block < stride / width; ++block) {
    double squared[width], mismatch[width];
    const double* first = columns + block * width;
    distances_to(numeric, point, first, stride, squared);
    for (Index j = 0; j < width; ++j) mismatch[j] = 0.0;
    for (Index c = 0; c < categorical; c += most) {
      const Index count = categorical - c < most ? categorical - c : most;
      add_mismatches(count, ones, point + numeric + c, first + (numeric + c) * stride, stride, mismatch);
    }
    double* out = distances + block * width;
    for (Index j = 0; j < width; ++j) {
      const double distance = squared[j] + mismatch[j];
      out[j] = distance < out[j] ? distance : out[j];
    }
  }
}

HPT_CLONES double dot(const double* a, const double* b, Index blocks) {
  double sum[lanes] = {};
  for (Index k = 0; k < blocks * width; k += lanes) {
    for (Index j = 0; j < lanes; ++j) sum[j] += a[k + j] * b[k + j];
  }
  return add_up(sum);
}

HPT_CLONES double largest(const double* a, Index blocks) {
  double most[lanes] = {};
  for (Index k = 0; k < blocks * width; k += lanes) {
    for (Index j = 0; j < lanes; ++j) most[j] = a[k + j] > most[j] ? a[k + j] : most[j];
  }
  double out = 0.0;
  for (const double each : most) out = each > out ? each : out;
  return out;
}

HPT_CLONES void add(double factor, const double* x, double* y, Index blocks) {
  for (Index k = 0; k < blocks * width; ++k) y[k] += factor * x[k];
}

HPT_CLONES void multiply(const double* x, double* y, Index blocks) {
  for (Index k = 0; k < blocks * width; ++k) y[k] *= x[k];
}

HPT_CLONES double pull(double at, const double* column, const double* weight, Index blocks) {
  double sum[lanes] = {};
  for (Index k = 0; k < blocks * width; k += lanes) {
    for (Index j = 0; j < lanes; ++j) sum[j] += weight[k + j] * (at - column[k + j]);
  }
  return add_up(sum);
}

HPT_CLONES double weigh(const WeightRow& row, double* numeric, double* categorical) {
  double sum[lanes] = {};
  double w[width];
  for (Index block = 0; block < blocks_of(row.count); ++block) {
    const Index first = block * width;
    for (Index j = 0; j < width; ++j)
      w[j] = first + j < row.count ? row.alpha * row.alphas[first + j] - row.inverse[first + j] : 0.0;
    if (numeric != nullptr) {
      for (Index j = 0; j < width; ++j) numeric[first + j] = w[j] * row.derivatives.numeric[first + j];
    }
    if (categorical != nullptr) {
      for (Index j = 0; j < width; ++j)
        categorical[first + j] = w[j] * row.derivatives.categorical[first + j];
    }
    if (row.derivatives.mixing != nullptr) {
      for (Index k = 0; k < width; k += lanes) {
        for (Index j = 0; j < lanes; ++j) sum[j] += w[k + j] * row.derivatives.mixing[first + k + j];
      }
    }
  }
  return add_up(sum);
}

// A factor of 0 or 1 where a choice would read more naturally: GCC 12 miscompiles the sum of a masked choice.
HPT_CLONES double sum_unequal(double at, const double* column, const double* weight, Index blocks) {
  double sum[lanes] = {};
  for (Index k = 0; k < blocks * width; k += lanes) {
    for (Index j = 0; j < lanes; ++j) sum[j] += weight[k + j] * (column[k + j] != at ? 1.0 : 0.0);
  }
  return add_up(sum);
}

}  // namespace hpt::loops
