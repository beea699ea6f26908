#include "hpt/growing_factor.hpp"

#include <algorithm>
#include <atomic>

#include "hpt/kernel_loops.hpp"

namespace hpt {
namespace {

constexpr Index spare_rows = 64;  // about as many as come between two anchors of a thousand observations

}  // namespace

// Rows are kept apart from powers of two, as those of a SquareMatrix, and begin on a cache line each.
GrowingFactor::Memory::Memory(Index rows)
    : stride(loops::blocks_of(rows) * loops::width + 8), capacity(loops::blocks_of(rows) * loops::width) {
  numbers.resize(static_cast<std::size_t>(capacity * stride));
}

GrowingFactor::GrowingFactor(Index n) : memory_(std::make_shared<Memory>(n + spare_rows)), n_(n) {
  memory_->used = n;
}

GrowingFactor GrowingFactor::grown(Index more) const {
  const Index n = n_ + more;
  {
    const std::lock_guard lock(memory_->mutex);
    const bool alone = memory_.use_count() == 1;  // whatever was behind these rows is nobody's any more
    if (alone) std::atomic_thread_fence(std::memory_order_acquire);
    if (n <= memory_->capacity && (memory_->used == n_ || alone)) {
      memory_->used = n;
      GrowingFactor out(*this);
      out.n_ = n;
      return out;
    }
  }
  GrowingFactor out(n);
  for (Index i = 0; i < n_; ++i) std::copy_n(row(i), i + 1, out.row(i));
  return out;
}

}  // namespace hpt
