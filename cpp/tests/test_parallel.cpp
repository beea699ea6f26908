#include <doctest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

#include "hpt/parallel.hpp"

using namespace hpt;

TEST_CASE("every chunk is worked on once, whatever the number of threads") {
  for (const int threads : {1, 2, 7, 100}) {
    for (const Index chunks : {0, 1, 5, 64}) {
      std::vector<std::atomic<int>> calls(static_cast<std::size_t>(chunks));
      for_chunks(chunks, threads, [&](Index chunk) { ++calls[static_cast<std::size_t>(chunk)]; });
      for (const auto& count : calls) CHECK(count == 1);
    }
  }
}

TEST_CASE("of several errors that of the lowest chunk comes out, after all have ended") {
  for (const int threads : {2, 4}) {
    std::atomic<int> calls = 0;
    const auto work = [&](Index chunk) {
      ++calls;
      if (chunk % 3 == 1) throw std::runtime_error(std::to_string(chunk));
    };
    CHECK_THROWS_WITH(for_chunks(20, threads, work), "1");
    CHECK(calls == 20);
  }
}
