#include "hpt/factor.hpp"

#include <algorithm>
#include <cmath>

#include "hpt/dispatch.hpp"

#ifdef HPT_DISPATCH
#include <immintrin.h>
#endif

namespace hpt {
namespace {

constexpr Index shared_order = 384;  // below it LAPACK's own blocks on one thread are as fast
constexpr Index panel = 128;         // columns that a step of the factor settles
constexpr Index factor_rows = 64;    // rows of the factor that one thread takes at a time
constexpr Index inverse_rows = 128;  // and of the inverse

// Right-hand sides side by side, Y (n, lanes), so that an entry of the factor meets all of them at once. Each
// is worked on in the same order among four as among eight.
constexpr Index block = 4;  // rows of the factor that share what is read of Y

// A row of Y as the vectors of the compilers GCC and Clang, which plain loops over it do not become.
using Quad = double __attribute__((vector_size(4 * sizeof(double))));
struct Eight {
  Quad low, high;
};

// from <- from - factor what. An intrinsic where there is one: of the lanes spelled out GCC makes slower
// code.
#ifdef HPT_DISPATCH
__attribute__((target("avx2,fma"))) inline void subtract_fused(Quad& from, double factor, const Quad& what) {
  from = _mm256_fnmadd_pd(_mm256_set1_pd(factor), what, from);
}
#else
inline void subtract_fused(Quad& from, double factor, const Quad& what) {
  from = Quad{multiply_add<true>(-factor, what[0], from[0]), multiply_add<true>(-factor, what[1], from[1]),
              multiply_add<true>(-factor, what[2], from[2]), multiply_add<true>(-factor, what[3], from[3])};
}
#endif

template <bool fused>
HPT_INLINE void subtract(Quad& from, double factor, const Quad& what) {
  if constexpr (fused) {
    subtract_fused(from, factor, what);
  } else {
    from -= factor * what;
  }
}
template <bool fused>
HPT_INLINE void subtract(Eight& from, double factor, const Eight& what) {
  subtract<fused>(from.low, factor, what.low);
  subtract<fused>(from.high, factor, what.high);
}

HPT_INLINE void divide(Eight& what, double by) {
  what.low /= by;
  what.high /= by;
}
HPT_INLINE void divide(Quad& what, double by) {
  what /= by;
}

// Rows k to k + R of Y <- (Y - L Y) / L's diagonal, where the rows before them are done.
template <bool fused, Index R, typename Lanes>
HPT_INLINE void settle(const Factor& L, Index k, Lanes* Y) {
  const double* const rows = L.data + k * L.stride;
  const Index stride = L.stride;
  Lanes sum[R];
  for (Index r = 0; r < R; ++r) sum[r] = Y[k + r];
  for (Index j = 0; j < k; ++j) {
    const Lanes y = Y[j];
    for (Index r = 0; r < R; ++r) subtract<fused>(sum[r], rows[r * stride + j], y);
  }
  for (Index r = 0; r < R; ++r) {
    for (Index q = 0; q < r; ++q) subtract<fused>(sum[r], rows[r * stride + k + q], sum[q]);
    divide(sum[r], rows[r * stride + k + r]);
    Y[k + r] = sum[r];
  }
}

// Rows k to k + R of Y <- L'^-1 of them, and what they take off the rows before; the rows after are done.
template <bool fused, Index R, typename Lanes>
HPT_INLINE void settle_transposed(const Factor& L, Index k, Lanes* Y) {
  const double* const rows = L.data + k * L.stride;
  const Index stride = L.stride;
  Lanes at[R];
  for (Index r = R - 1; r >= 0; --r) {
    at[r] = Y[k + r];
    for (Index q = r + 1; q < R; ++q) subtract<fused>(at[r], rows[q * stride + k + r], at[q]);
    divide(at[r], rows[r * stride + k + r]);
    Y[k + r] = at[r];
  }
  for (Index j = 0; j < k; ++j) {
    Lanes y = Y[j];
    for (Index r = 0; r < R; ++r) subtract<fused>(y, rows[r * stride + j], at[r]);
    Y[j] = y;
  }
}

template <bool fused, typename Lanes>
HPT_INLINE void settle_all(const Factor& L, Lanes* Y) {
  Index k = 0;
  for (; k + block <= L.n; k += block) settle<fused, block>(L, k, Y);
  for (; k < L.n; ++k) settle<fused, 1>(L, k, Y);
}

template <bool fused, typename Lanes>
HPT_INLINE void settle_all_transposed(const Factor& L, Lanes* Y) {
  Index k = L.n;
  for (; k >= block; k -= block) settle_transposed<fused, block>(L, k - block, Y);
  for (; k > 0; --k) settle_transposed<fused, 1>(L, k - 1, Y);
}

struct Solve {
  template <bool fused, typename Lanes>
  HPT_INLINE static void run(const Factor& L, Lanes* Y) {
    settle_all<fused>(L, Y);
  }
};

struct SolveTransposed {
  template <bool fused, typename Lanes>
  HPT_INLINE static void run(const Factor& L, Lanes* Y) {
    settle_all_transposed<fused>(L, Y);
  }
};

// Rows B (rows, n) into the lanes of Y, solved there and back.
template <typename Loop, typename Lanes>
void side_by_side(const Factor& L, double* B, Index rows, Index stride, Vector& scratch) {
  constexpr Index lanes = sizeof(Lanes) / sizeof(double);
  for (Index i = 0; i < L.n; ++i) {
    for (Index c = 0; c < lanes; ++c)
      scratch[static_cast<std::size_t>(i * lanes + c)] = c < rows ? B[c * stride + i] : 0.0;
  }
  dispatch<Loop>(L, reinterpret_cast<Lanes*>(scratch.data()));
  for (Index i = 0; i < L.n; ++i) {
    for (Index c = 0; c < rows; ++c) B[c * stride + i] = scratch[static_cast<std::size_t>(i * lanes + c)];
  }
}

template <typename Loop>
void for_lanes(const Factor& L, double* B, Index m, Index stride, Vector& scratch) {
  const auto needed = static_cast<std::size_t>(L.n * 8);
  if (scratch.size() < needed) scratch.resize(needed);
  while (m > 0) {
    const Index rows = std::min<Index>(m, 8);
    rows > 4 ? side_by_side<Loop, Eight>(L, B, rows, stride, scratch)
             : side_by_side<Loop, Quad>(L, B, rows, stride, scratch);
    B += rows * stride;
    m -= rows;
  }
}

struct SettleRow {
  template <bool fused, typename Lanes>
  HPT_INLINE static void run(const Factor& L, Index k, Lanes* Y) {
    settle<fused, 1>(L, k, Y);
  }
};

template <typename Lanes>
void append_lanes(const SquareView& L, Index first, Index rows, double diagonal, double least,
                  Vector& scratch) {
  constexpr Index lanes = sizeof(Lanes) / sizeof(double);
  const auto needed = static_cast<std::size_t>((first + rows) * lanes);
  if (scratch.size() < needed) scratch.resize(needed);
  const auto entry = [&](Index j, Index c) -> double& {
    return scratch[static_cast<std::size_t>(j * lanes + c)];
  };
  for (Index j = 0; j < first + rows; ++j) {
    for (Index c = 0; c < lanes; ++c) entry(j, c) = c < rows && j < first + c ? *L.at(first + c, j) : 0.0;
  }
  auto* Y = reinterpret_cast<Lanes*>(scratch.data());
  const Factor done(L.data, first, L.stride);
  dispatch<Solve>(done, Y);
  for (Index c = 0; c < rows; ++c) {
    const Index i = first + c;
    double* row = L.at(i, 0);
    double rest = diagonal;
    for (Index j = 0; j < i; ++j) {
      row[j] = entry(j, c);
      rest -= row[j] * row[j];
    }
    row[i] = std::sqrt(std::max(rest, least));
    const Factor now(L.data, i + 1, L.stride);
    if (c + 1 < rows) dispatch<SettleRow>(now, i, Y);
  }
}

}  // namespace

void solve_few_rows(Factor L, double* B, Index m, Index stride, Vector& scratch) {
  for_lanes<Solve>(L, B, m, stride, scratch);
}

void solve_few_rows_transposed(Factor L, double* B, Index m, Index stride, Vector& scratch) {
  for_lanes<SolveTransposed>(L, B, m, stride, scratch);
}

int cholesky(SquareView A, const Team& team) {
  const Index n = A.n, stride = A.stride;
  if (n < shared_order) return cholesky_block(A.data, n, stride);
  for (Index k = 0; k < n; k += panel) {
    const Index end = std::min(n, k + panel), width = end - k;
    if (const int order = cholesky_block(A.at(k, k), width, stride)) return static_cast<int>(k) + order;
    if (end == n) break;
    const Factor L(A.at(k, k), width, stride);
    const Index chunks = chunks_of(n - end, factor_rows);
    // Rows below the panel, then what the panel takes off the rest of the matrix, the longest rows first.
    for_chunks(chunks, team, [&](Index chunk) {
      const Index first = end + chunk * factor_rows, rows = std::min(factor_rows, n - first);
      solve_rows(L, A.at(first, k), rows, stride);
    });
    for_chunks(chunks, team, [&](Index chunk) {
      const Index first = end + (chunks - 1 - chunk) * factor_rows, rows = std::min(factor_rows, n - first);
      multiply(-1.0, {A.at(first, k), stride}, {A.at(end, k), stride, true}, 1.0, {A.at(first, end), stride},
               rows, first + rows - end, width);
    });
  }
  return 0;
}

// Each row is the solve of the rows before it for its own entries. Up to eight are solved side by side for
// the rows that are done; then, as each of them is done in turn, for that one by those behind it.
void append_rows(SquareView L, Index count, double diagonal, double least, Vector& scratch) {
  for (Index first = L.n - count; first < L.n; first += 8) {
    const Index rows = std::min<Index>(8, L.n - first);
    rows > 4 ? append_lanes<Eight>(L, first, rows, diagonal, least, scratch)
             : append_lanes<Quad>(L, first, rows, diagonal, least, scratch);
  }
}

// With L in blocks J of columns, inv(L)_JJ = inv(L_JJ), and below it
// inv(L)_BJ = -inv(L_BB) L_BJ inv(L_JJ); then (L L^T)^-1 = inv(L)^T inv(L).
void invert_from_cholesky(SquareMatrix& L, SquareMatrix& scratch, const Team& team) {
  const Index n = L.rows(), stride = L.stride();
  if (n < shared_order) return invert_from_cholesky(L);
  for_chunks(chunks_of(n, inverse_rows), team, [&](Index chunk) {
    const Index first = chunk * inverse_rows, end = std::min(n, first + inverse_rows), width = end - first;
    const Factor diagonal(&L(first, first), width, stride);
    for (Index i = first; i < end; ++i) {
      std::fill_n(&scratch(i, first), width, 0.0);
      scratch(i, i) = 1.0;
    }
    solve_columns(diagonal, &scratch(first, first), width, stride);
    if (end == n) return;
    for (Index i = end; i < n; ++i)
      std::transform(&L(i, first), &L(i, end), &scratch(i, first), [](double value) { return -value; });
    solve_rows_transposed(diagonal, &scratch(end, first), n - end, stride);
    solve_columns(Factor(&L(end, end), n - end, stride), &scratch(end, first), width, stride);
  });
  for_chunks(chunks_of(n, inverse_rows), team, [&](Index chunk) {
    const Index first = chunk * inverse_rows, end = std::min(n, first + inverse_rows);
    multiply(1.0, {&scratch(first, first), stride, true}, {&scratch(first, 0), stride}, 0.0,
             {&L(first, 0), stride}, end - first, end, n - first);
  });
}

}  // namespace hpt
