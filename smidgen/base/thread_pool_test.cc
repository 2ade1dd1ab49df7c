#include "smidgen/base/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <new>
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

TEST(ThreadPool, AnExceptionComesOutOnceNoThreadIsInside) {
  for (std::size_t threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    int cut_short = 0;  // a thread may rest between its exception and the word of it until the others are through
    for (int round = 0; round < 50; ++round) {
      std::atomic<int> inside = 0, ran = 0;
      const auto body = [&](std::size_t index, std::size_t) {
        ++inside;
        ++ran;
        const bool fails = index == 10;
        --inside;
        if (fails) throw std::bad_alloc();
      };
      EXPECT_THROW(pool.parallel_for(100000, body), std::bad_alloc);
      EXPECT_EQ(inside, 0);
      cut_short += ran < 100000 ? 1 : 0;
      ran = 0;
      pool.parallel_for(5, [&](std::size_t, std::size_t) { ++ran; });
      EXPECT_EQ(ran, 5) << "the pool works on";
    }
    EXPECT_GT(cut_short, 0);
  }
}

TEST(ThreadPool, NothingToDoReturns) {
  ThreadPool pool(3);
  pool.parallel_for(0, [](std::size_t, std::size_t) { FAIL(); });
}

}  // namespace
}  // namespace smidgen
