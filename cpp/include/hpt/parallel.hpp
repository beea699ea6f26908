// Work cut into chunks that the problem fixes, so that the number of threads changes the clock and no bit.
#pragma once

#include <algorithm>
#include <functional>

#include "hpt/view.hpp"

namespace hpt {

// Calls work(0) ... work(chunks - 1), each once, on up to `threads` threads (this one among them). What
// chunks share they may only read; the caller adds up their results in the order of the chunks. The error of
// the lowest chunk that failed is thrown again here.
void share_chunks(Index chunks, int threads, const std::function<void(Index)>& work);
template <typename Work>
void for_chunks(Index chunks, int threads, const Work& work) {
  if (std::min<Index>(threads, chunks) > 1) return share_chunks(chunks, threads, std::cref(work));
  for (Index chunk = 0; chunk < chunks; ++chunk) work(chunk);  // with nothing allocated for it
}

}  // namespace hpt
