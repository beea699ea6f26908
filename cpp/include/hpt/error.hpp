// The two errors that the core raises intentionally; anything else is a bug.
#pragma once

#include <stdexcept>
#include <string>

namespace hpt {

// The caller's input breaks a stated rule. Becomes ValueError.
class InvalidArgument : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// A covariance could not be factored. Becomes hpt.errors.NotPositiveDefiniteError.
class NotPositiveDefinite : public std::runtime_error {
 public:
  NotPositiveDefinite(int failed_order, double tried_jitter)
      : std::runtime_error("covariance is not positive definite: its leading minor of order " +
                           std::to_string(failed_order) + " failed with " + std::to_string(tried_jitter) +
                           " of the amplitude added to the diagonal; check the inputs for huge values"),
        order(failed_order),
        jitter(tried_jitter) {}
  int order;      // of the first minor that is not positive
  double jitter;  // the largest tried, relative to the kernel's amplitude
};

inline void require(bool rule, const char* message) {
  if (!rule) throw InvalidArgument(message);
}

}  // namespace hpt
