#include "hpt/parallel.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace hpt {
namespace {

// How often a thread looks for work, yielding to other threads each time, before it sleeps: the
// next piece of work is mostly some microseconds away, and waking a sleeper takes ten times as long.
constexpr int looks = 1000;

template <typename T>
void await_change(const std::atomic<T>& value, T from) {
  for (int k = 0; k < looks; ++k) {
    if (value != from) return;
    std::this_thread::yield();
  }
  value.wait(from);
}

}  // namespace

// Pieces of work are numbered by rounds. `ahead_` holds the round that is under way and how many of its
// chunks nobody has taken yet, so that a helper who comes late takes nothing of a later round as part of its
// own.
class Team::Helpers {
 public:
  ~Helpers() {
    dissolved_ = true;
    begin_round(0);
    for (std::thread& each : threads_) each.join();
  }

  void share(Index chunks, Index most, const std::function<void(Index)>& work) {
    work_ = &work;
    chunks_ = failed_ = chunks;
    error_ = nullptr;
    unfinished_ = chunks;
    const std::uint32_t round = begin_round(chunks);
    const auto wanted = static_cast<std::size_t>(std::min(most, chunks - 1));
    try {
      while (threads_.size() < wanted) threads_.emplace_back([this, round] { follow(round - 1); });
    } catch (const std::system_error&) {  // no further thread can be started: the existing ones do it all
    }
    take_chunks(round);
    for (Index left = unfinished_; left != 0; left = unfinished_) await_change(unfinished_, left);
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::uint32_t begin_round(Index chunks) {
    const std::uint32_t round = round_ + 1;
    ahead_ = std::uint64_t{round} << 32 | static_cast<std::uint64_t>(chunks);
    round_ = round;
    round_.notify_all();
    return round;
  }

  void follow(std::uint32_t seen) {
    for (;;) {
      await_change(round_, seen);
      if (dissolved_) return;
      seen = round_;
      take_chunks(seen);
    }
  }

  void take_chunks(std::uint32_t round) {
    constexpr std::uint64_t low = 0xffffffff;
    std::uint64_t ahead = ahead_;
    while (ahead >> 32 == round && (ahead & low) != 0) {
      if (!ahead_.compare_exchange_weak(ahead, ahead - 1)) continue;
      run(chunks_ - static_cast<Index>(ahead & low));
      ahead = ahead_;
    }
  }

  void run(Index chunk) {
    try {
      (*work_)(chunk);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (chunk < failed_) {
        failed_ = chunk;
        error_ = std::current_exception();
      }
    }
    if (--unfinished_ == 0) unfinished_.notify_one();
  }

  const std::function<void(Index)>* work_ = nullptr;
  Index chunks_ = 0, failed_ = 0;
  std::exception_ptr error_;
  std::mutex mutex_;  // of the error
  std::atomic<std::uint64_t> ahead_ = 0;
  std::atomic<std::uint32_t> round_ = 0;
  std::atomic<Index> unfinished_ = 0;
  std::atomic<bool> dissolved_ = false;
  std::vector<std::thread> threads_;
};

Team::Team(int threads) : threads_(std::max(threads, 1)) {
  if (threads_ > 1) helpers_ = std::make_unique<Helpers>();
}

Team::~Team() = default;

void Team::share(Index chunks, const std::function<void(Index)>& work) const {
  helpers_->share(chunks, threads_ - 1, work);
}

}  // namespace hpt
