#include "hpt/kernel_loops.hpp"

#include <cmath>
#include <cstdint>

#include "hpt/dispatch.hpp"

#ifdef HPT_DISPATCH
#include <immintrin.h>
#endif

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
template <bool fused>
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
      squared[j] = multiply_add<fused>(difference, difference, squared[j]);
    }
  }
}

// Adds to one block the weights of the categories that differ.
template <bool fused>
HPT_INLINE void add_mismatches(Index categorical, const double* weights, const double* point,
                               const double* columns, Index stride, double (&mismatch)[width]) {
  for (Index i = 0; i < categorical; ++i) {
    const double at = point[i], weight = weights[i];
    const double* column = columns + i * stride;
    for (Index j = 0; j < width; ++j)
      mismatch[j] = multiply_add<fused>(weight, at != column[j] ? 1.0 : 0.0, mismatch[j]);
  }
}

struct KernelRowLoop {
  template <bool fused>
  HPT_INLINE static void run(const KernelShape& shape, const double* point, const double* columns,
                             Index stride, Index blocks, const KernelRow& out) {
    const bool numbers = shape.numeric > 0, categories = shape.categorical > 0;
    const double s = shape.amplitude;
    const double sum = numbers && categories ? 0.5 * (1.0 - shape.mixing) : 0.0;
    const double product = numbers && categories ? shape.mixing : 1.0;
    for (Index block = 0; block < blocks; ++block) {
      double kx[width], slope[width], kh[width];
      const double* first = columns + block * width;
      distances_to<fused>(shape.numeric, point, first, stride, kx);
      if (categories) {
        for (Index j = 0; j < width; ++j) kh[j] = 0.0;
        add_mismatches<fused>(shape.categorical, shape.inverse, point + shape.numeric,
                              first + shape.numeric * stride, stride, kh);
      }
      for (Index j = 0; j < width; ++j) {
        const double t = std::sqrt(5.0 * kx[j]);
        const double decay = exp_of_negative<fused>(-t);
        kx[j] = multiply_add<fused>(t * t, 1.0 / 3.0, 1.0 + t) * decay;
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
      for (Index j = 0; j < width; ++j) kh[j] = exp_of_negative<fused>(-kh[j]);
      for (Index j = 0; j < width; ++j)
        value[j] = s * multiply_add<fused>(sum, kx[j] + kh[j], product * kx[j] * kh[j]);
      if (out.numeric != nullptr) {
        for (Index j = 0; j < width; ++j)
          out.numeric[block * width + j] = multiply_add<fused>(product, kh[j], sum) * slope[j];
      }
      if (out.categorical != nullptr) {
        for (Index j = 0; j < width; ++j)
          out.categorical[block * width + j] = s * multiply_add<fused>(product, kx[j], sum) * kh[j];
      }
      if (out.mixing != nullptr) {
        for (Index j = 0; j < width; ++j)
          out.mixing[block * width + j] = s * multiply_add<fused>(kx[j], kh[j], -0.5 * (kx[j] + kh[j]));
      }
    }
  }
};

// Vectors as GCC and Clang spell them: of plain loops over floats GCC makes code twice as slow.
using Floats = float __attribute__((vector_size(64), may_alias));
using Ints = std::int32_t __attribute__((vector_size(64)));
constexpr Index floats = 16;

// to <- a b + c. Rounded once where the processor has such vectors; those of other sizes do not gain by it.
#ifdef HPT_DISPATCH
__attribute__((target(HPT_AVX512))) inline void fused_product(const Floats& a, const Floats& b,
                                                              const Floats& c, Floats& to) {
  to = (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}
#else
void fused_product(const Floats& a, const Floats& b, const Floats& c, Floats& to) {
  to = a * b + c;
}
#endif
template <bool wide>
HPT_INLINE void product_sum(const Floats& a, const Floats& b, const Floats& c, Floats& to) {
  if constexpr (wide) {
    fused_product(a, b, c, to);
  } else {
    to = a * b + c;
  }
}

// The arithmetic of `exponential_of_negative`, by a polynomial of degree 6.
template <bool wide>
HPT_INLINE void exp_of_negative(Floats& x) {
  const Floats zero = {};
  x = x < -80.0f ? zero - 80.0f : x;
  Floats shifted, r, s = zero + 1.0f / 720.0f;
  product_sum<wide>(x, zero + 1.44269504f, zero + 12582912.0f, shifted);
  const Floats k = shifted - 12582912.0f;
  product_sum<wide>(k, zero - 0.693359375f, x, r);
  product_sum<wide>(k, zero + 2.12194440e-4f, r, r);
  product_sum<wide>(s, r, zero + 1.0f / 120.0f, s);
  product_sum<wide>(s, r, zero + 1.0f / 24.0f, s);
  product_sum<wide>(s, r, zero + 1.0f / 6.0f, s);
  product_sum<wide>(s, r, zero + 0.5f, s);
  product_sum<wide>(s, r, zero + 1.0f, s);
  product_sum<wide>(s, r, zero + 1.0f, s);
  x = s * (Floats)(((Ints)shifted << 23) + (127 << 23));
}

// x <- sqrt(x), by Newton's method from half the exponent: these vectors have no root of their own.
template <bool wide>
HPT_INLINE void root(Floats& x) {
  const Floats zero = {}, q = x + 1e-30f, half = -0.5f * q;
  Floats g = (Floats)(0x5f3759df - ((Ints)q >> 1)), step;
  for (int k = 0; k < 2; ++k) {
    product_sum<wide>(half * g, g, zero + 1.5f, step);
    g *= step;
  }
  const Floats t = q * g;
  product_sum<wide>(-t, t, q, step);
  product_sum<wide>(0.5f * g, step, t, x);
}

struct WeightedSum {
  static constexpr bool knows_wide = true;
  template <bool, bool wide = false>
  HPT_INLINE static float run(const KernelShape& shape, const float* point, const float* columns,
                              Index stride, Index blocks, const float* weights) {
    const bool categories = shape.categorical > 0, numbers = shape.numeric > 0;
    const float sum = numbers && categories ? 0.5f * (1.0f - static_cast<float>(shape.mixing)) : 0.0f;
    const float product = numbers && categories ? static_cast<float>(shape.mixing) : 1.0f;
    const Floats zero = {};
    Floats total = {};
    for (Index at = 0; at < blocks * width; at += floats) {
      Floats kx = {};
      for (Index i = 0; i < shape.numeric; ++i) {
        const Floats difference = point[i] - *reinterpret_cast<const Floats*>(columns + i * stride + at);
        product_sum<wide>(difference, difference, kx, kx);
      }
      kx *= 5.0f;
      root<wide>(kx);
      Floats decay = -kx, matern;
      exp_of_negative<wide>(decay);
      product_sum<wide>(kx, zero + 1.0f / 3.0f, zero + 1.0f, matern);
      product_sum<wide>(matern, kx, zero + 1.0f, matern);
      kx = matern * decay;
      const Floats weight = *reinterpret_cast<const Floats*>(weights + at);
      if (!categories) {
        product_sum<wide>(weight, kx, total, total);
        continue;
      }
      Floats kh = {};
      for (Index i = 0; i < shape.categorical; ++i) {
        const float* column = columns + (shape.numeric + i) * stride + at;
        const Floats here = zero + point[shape.numeric + i];
        const Floats differs = zero - static_cast<float>(shape.inverse[i]);
        kh += *reinterpret_cast<const Floats*>(column) != here ? differs : zero;
      }
      exp_of_negative<wide>(kh);
      product_sum<wide>(weight, sum * (kx + kh) + product * kx * kh, total, total);
    }
    float out = 0.0f;
    for (Index j = 0; j < floats; ++j) out += total[j];
    return out * static_cast<float>(shape.amplitude);
  }
};

struct LowerDistances {
  template <bool fused>
  HPT_INLINE static void run(Index numeric, Index categorical, const double* point, const double* columns,
                             Index stride, double* distances) {
    constexpr Index most = 256;
    double ones[most];
    for (Index i = 0; i < most; ++i) ones[i] = 1.0;
    for (Index block = 0; block < stride / width; ++block) {
      double squared[width], mismatch[width];
      const double* first = columns + block * width;
      distances_to<fused>(numeric, point, first, stride, squared);
      for (Index j = 0; j < width; ++j) mismatch[j] = 0.0;
      for (Index c = 0; c < categorical; c += most) {
        const Index count = categorical - c < most ? categorical - c : most;
        add_mismatches<fused>(count, ones, point + numeric + c, first + (numeric + c) * stride, stride,
                              mismatch);
      }
      double* out = distances + block * width;
      for (Index j = 0; j < width; ++j) {
        const double distance = squared[j] + mismatch[j];
        out[j] = distance < out[j] ? distance : out[j];
      }
    }
  }
};

struct Dot {
  template <bool fused>
  HPT_INLINE static double run(const double* a, const double* b, Index blocks) {
    double sum[lanes] = {};
    for (Index k = 0; k < blocks * width; k += lanes) {
      for (Index j = 0; j < lanes; ++j) sum[j] = multiply_add<fused>(a[k + j], b[k + j], sum[j]);
    }
    return add_up(sum);
  }
};

struct Largest {
  template <bool fused>
  HPT_INLINE static double run(const double* a, Index blocks) {
    double most[lanes] = {};
    for (Index k = 0; k < blocks * width; k += lanes) {
      for (Index j = 0; j < lanes; ++j) most[j] = a[k + j] > most[j] ? a[k + j] : most[j];
    }
    double out = 0.0;
    for (const double each : most) out = each > out ? each : out;
    return out;
  }
};

struct Add {
  template <bool fused>
  HPT_INLINE static void run(double factor, const double* x, double* y, Index blocks) {
    for (Index k = 0; k < blocks * width; ++k) y[k] = multiply_add<fused>(factor, x[k], y[k]);
  }
};

struct Multiply {
  template <bool fused>
  HPT_INLINE static void run(const double* x, double* y, Index blocks) {
    for (Index k = 0; k < blocks * width; ++k) y[k] *= x[k];
  }
};

struct Pull {
  template <bool fused>
  HPT_INLINE static double run(double at, const double* column, const double* weight, Index blocks) {
    double sum[lanes] = {};
    for (Index k = 0; k < blocks * width; k += lanes) {
      for (Index j = 0; j < lanes; ++j)
        sum[j] = multiply_add<fused>(weight[k + j], at - column[k + j], sum[j]);
    }
    return add_up(sum);
  }
};

struct Weigh {
  template <bool fused>
  HPT_INLINE static double run(const WeightRow& row, double* numeric, double* categorical) {
    double sum[lanes] = {};
    double w[width];
    for (Index block = 0; block < blocks_of(row.count); ++block) {
      const Index first = block * width;
      for (Index j = 0; j < width; ++j)
        w[j] = first + j < row.count
                   ? multiply_add<fused>(row.alpha, row.alphas[first + j], -row.inverse[first + j])
                   : 0.0;
      if (numeric != nullptr) {
        for (Index j = 0; j < width; ++j) numeric[first + j] = w[j] * row.derivatives.numeric[first + j];
      }
      if (categorical != nullptr) {
        for (Index j = 0; j < width; ++j)
          categorical[first + j] = w[j] * row.derivatives.categorical[first + j];
      }
      if (row.derivatives.mixing != nullptr) {
        for (Index k = 0; k < width; k += lanes) {
          for (Index j = 0; j < lanes; ++j)
            sum[j] = multiply_add<fused>(w[k + j], row.derivatives.mixing[first + k + j], sum[j]);
        }
      }
    }
    return add_up(sum);
  }
};

// A factor of 0 or 1 instead of a choice: GCC 12 miscompiles the sum of a masked choice. The product is exact
// and need not be fused, with which GCC makes branches of the comparisons.
struct SumUnequal {
  template <bool>
  HPT_INLINE static double run(double at, const double* column, const double* weight, Index blocks) {
    double sum[lanes] = {};
    for (Index k = 0; k < blocks * width; k += lanes) {
      for (Index j = 0; j < lanes; ++j) sum[j] += weight[k + j] * (column[k + j] != at ? 1.0 : 0.0);
    }
    return add_up(sum);
  }
};

}  // namespace

void kernel_row(const KernelShape& shape, const double* point, const double* columns, Index stride,
                Index blocks, const KernelRow& out) {
  dispatch<KernelRowLoop>(shape, point, columns, stride, blocks, out);
}

void lower_distances(Index numeric, Index categorical, const double* point, const double* columns,
                     Index stride, double* distances) {
  dispatch<LowerDistances>(numeric, categorical, point, columns, stride, distances);
}

float weighted_sum(const KernelShape& shape, const float* point, const float* columns, Index stride,
                   Index blocks, const float* weights) {
  return dispatch<WeightedSum>(shape, point, columns, stride, blocks, weights);
}

double dot(const double* a, const double* b, Index blocks) {
  return dispatch<Dot>(a, b, blocks);
}

double largest(const double* a, Index blocks) {
  return dispatch<Largest>(a, blocks);
}

void add(double factor, const double* x, double* y, Index blocks) {
  dispatch<Add>(factor, x, y, blocks);
}

void multiply(const double* x, double* y, Index blocks) {
  dispatch<Multiply>(x, y, blocks);
}

double pull(double at, const double* column, const double* weight, Index blocks) {
  return dispatch<Pull>(at, column, weight, blocks);
}

double weigh(const WeightRow& row, double* numeric, double* categorical) {
  return dispatch<Weigh>(row, numeric, categorical);
}

double sum_unequal(double at, const double* column, const double* weight, Index blocks) {
  return dispatch<SumUnequal>(at, column, weight, blocks);
}

}  // namespace hpt::loops
