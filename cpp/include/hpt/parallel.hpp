// Work cut into chunks that the problem fixes, so that the number of threads changes the run time and no bit.
#pragma once

#include <functional>
#include <memory>

#include "hpt/view.hpp"

namespace hpt {

// The calling thread and helpers that live as long as the team, started when there is first something to
// share: one piece of work may be shared many times in a row, and waking a helper costs less than starting
// one. Shares one piece of work at a time. Where no further helper can be started, the existing threads do
// the work.
class Team {
 public:
  explicit Team(int threads = 1);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  int threads() const { return threads_; }
  // Calls work(0) ... work(chunks - 1), each once. What chunks share they may only read; the caller adds up
  // their results in the order of the chunks. The error of the lowest chunk that failed is thrown again here.
  void share(Index chunks, const std::function<void(Index)>& work) const;

 private:
  class Helpers;
  int threads_;
  std::unique_ptr<Helpers> helpers_;  // none for a single thread
};

// How many chunks of so many rows there are, the last perhaps shorter.
inline Index chunks_of(Index rows, Index chunk_rows) {
  return (rows + chunk_rows - 1) / chunk_rows;
}

template <typename Work>
void for_chunks(Index chunks, const Team& team, const Work& work) {
  if (team.threads() > 1 && chunks > 1) return team.share(chunks, std::cref(work));
  for (Index chunk = 0; chunk < chunks; ++chunk) work(chunk);  // with nothing allocated for it
}

}  // namespace hpt
