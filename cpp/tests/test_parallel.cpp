#include <doctest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "hpt/parallel.hpp"

using namespace hpt;

TEST_CASE("every chunk is worked on once, whatever the number of threads") {
  for (const int threads : {0, 1, 2, 7, 100}) {
    const Team team(threads);
    for (const Index chunks : {0, 1, 5, 64, 2, 3}) {
      std::vector<std::atomic<int>> calls(static_cast<std::size_t>(chunks));
      for_chunks(chunks, team, [&](Index chunk) { ++calls[static_cast<std::size_t>(chunk)]; });
      for (const auto& count : calls) CHECK(count == 1);
    }
  }
}

TEST_CASE("if several chunks fail, the error of the lowest one is thrown after all have ended") {
  for (const int threads : {2, 4}) {
    std::atomic<int> calls = 0;
    const auto work = [&](Index chunk) {
      ++calls;
      if (chunk % 3 == 1) throw std::runtime_error(std::to_string(chunk));
    };
    CHECK_THROWS_WITH(for_chunks(20, Team(threads), work), "1");
    CHECK(calls == 20);
  }
}

TEST_CASE("pieces of work in quick succession and with pauses: none sees chunks of the one before") {
  const Team team(3);
  std::atomic<Index> sum = 0;
  for (Index round = 0; round < 3000; ++round) {
    const Index chunks = 2 + round % 5;
    sum = 0;
    for_chunks(chunks, team, [&, round](Index chunk) { sum += round * chunk; });
    REQUIRE(sum == round * chunks * (chunks - 1) / 2);
    if (round % 1000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));  // helpers fall asleep
  }
}

TEST_CASE("after an error the team does further work") {
  const Team team(2);
  CHECK_THROWS(for_chunks(4, team, [](Index) { throw std::runtime_error("all"); }));
  std::atomic<int> calls = 0;
  for_chunks(4, team, [&](Index) { ++calls; });
  CHECK(calls == 4);
}
