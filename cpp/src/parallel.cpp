#include "hpt/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace hpt {

void share_chunks(Index chunks, int threads, const std::function<void(Index)>& work) {
  const Index helpers = std::min<Index>(threads, chunks) - 1;
  std::atomic<Index> next{0};
  std::mutex mutex;
  Index failed = chunks;
  std::exception_ptr error;
  const auto run = [&] {
    for (Index chunk = next++; chunk < chunks; chunk = next++) {
      try {
        work(chunk);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (chunk < failed) {
          failed = chunk;
          error = std::current_exception();
        }
      }
    }
  };
  {
    std::vector<std::jthread> team;
    for (Index i = 0; i < helpers; ++i) team.emplace_back(run);
    run();
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace hpt
