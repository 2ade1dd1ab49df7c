#include "smidgen/base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace smidgen {
namespace {

TEST(ThreadPool, EveryIndexRunsOnceWithAnyNumberOfThreads) {
  for (std::size_t threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (int round = 0; round < 20; ++round) {
      std::vector<std::atomic<int>> hits(1001);
      pool.parallel_for(hits.size(), [&](std::size_t index, std::size_t worker) {
        ASSERT_LT(worker, threads);
        ++hits[index];
      });
      for (auto& hit : hits) ASSERT_EQ(hit, 1);
    }
  }
}

TEST(ThreadPool, NestedLoopsRunInline) {
  ThreadPool pool(2);
  std::atomic<int> count = 0;
  pool.parallel_for(
      4, [&](std::size_t, std::size_t) { pool.parallel_for(5, [&](std::size_t, std::size_t) { ++count; }); });
  EXPECT_EQ(count, 20);
}

TEST(ThreadPool, NothingToDoReturns) {
  ThreadPool pool(3);
  pool.parallel_for(0, [](std::size_t, std::size_t) { FAIL(); });
}

}  // namespace
}  // namespace smidgen
