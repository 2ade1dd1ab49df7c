#include "smidgen/base/crew.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace smidgen {
namespace {

const auto kNothingAlone = [] { return true; };

TEST(Crew, AllMembersGoThroughItInStep) {
  Crew crew(3, true);
  ASSERT_EQ(crew.cores(), 3U);
  const Crew::Shift shift(&crew);
  for (int round = 0; round < 40; ++round) {
    std::array<int, 3> at{};
    std::atomic<int> wrong = 0;
    crew.work(kNothingAlone, [&](Crew::Team& team) {
      if (team.members() != 3) ++wrong;
      for (int step = 1; step <= 8; ++step) {
        at.at(team.member()) = step;
        team.sync();
        for (const int other : at)
          if (other != step) ++wrong;
        team.sync();
      }
    });
    ASSERT_EQ(wrong, 0);
    ASSERT_EQ(at, (std::array<int, 3>{8, 8, 8}));
  }
}

// Parts that the caller does before others come, and what they do together, are all of it, each once.
TEST(Crew, TheCallerBeginsAlone) {
  Crew crew(2);
  for (int round = 0; round < 300; ++round) {
    constexpr int kParts = 40;
    int next = 0;
    std::atomic<int> together = 0;
    crew.work([&] { return ++next < kParts; },
              [&](Crew::Team& team) {
                for (int part = next; part < kParts; ++part) {
                  if (part % static_cast<int>(team.members()) == static_cast<int>(team.member())) ++together;
                  team.sync();
                }
              });
    ASSERT_EQ(next + together, kParts);
  }
}

TEST(Crew, AnotherShiftMeansThatNoCoreIsIdle) {
  Crew crew(2, true);
  const Crew::Shift mine(&crew);
  int alone = 0;
  std::size_t members = 0;
  const auto work = [&] {
    alone = 0;
    members = 1;
    crew.work([&] { return ++alone < 5; },
              [&](Crew::Team& team) {
                if (team.member() == 0) members = team.members();
              });
  };
  {
    const Crew::Shift other(&crew);
    work();
    EXPECT_EQ(alone, 5);
    EXPECT_EQ(members, 1U);
  }
  work();
  EXPECT_EQ(alone, 0);
  EXPECT_EQ(members, 2U);
}

TEST(Crew, OneCoreNeedsNobody) {
  Crew crew(1);
  EXPECT_EQ(crew.cores(), 1U);
  int alone = 0;
  crew.work([&] { return ++alone < 5; }, [&](Crew::Team&) { alone = 100; });
  EXPECT_EQ(alone, 5);
}

TEST(Crew, WhatAMemberThrowsComesOutAndTheCrewWorksOn) {
  Crew crew(3, true);
  for (std::size_t who = 0; who < 3; ++who) {
    std::atomic<int> beyond = 0;
    EXPECT_THROW(crew.work(kNothingAlone,
                           [&](Crew::Team& team) {
                             if (team.member() == who) throw std::runtime_error("no memory");
                             team.sync();
                             ++beyond;
                           }),
                 std::runtime_error);
    EXPECT_EQ(beyond, 0);
  }
  Crew late(3);
  EXPECT_THROW(late.work([]() -> bool { throw std::runtime_error("alone"); }, [](Crew::Team&) { FAIL(); }),
               std::runtime_error);
  std::atomic<std::size_t> members = 0;
  crew.work(kNothingAlone, [&](Crew::Team&) { ++members; });
  EXPECT_EQ(members, 3U);
}

TEST(Crew, ManyThreadsMayAskAtOnce) {
  Crew crew(2);
  std::atomic<int> done = 0, wrong = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 200; ++round) {
        const Crew::Shift shift(&crew);
        int alone = 0;
        std::atomic<std::size_t> sum = 0, members = 0;
        crew.work([&] { return ++alone < 3; },
                  [&](Crew::Team& team) {
                    members = team.members();
                    team.sync();
                    sum += team.member() + 1;
                  });
        if (sum != members * (members + 1) / 2) ++wrong;
        ++done;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(done, 600);
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace smidgen
