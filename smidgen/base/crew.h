// Cores that nobody uses, for one piece of work that somebody waits for. The caller begins alone, a part at a time; as
// soon as idle threads are awake they go through what is left with him, in step.
//
//   Crew crew(2);                      // the caller's thread and one more, asleep
//   ..
//   const Crew::Shift shift(crew);     // each thread that has work says so
//   crew.work([&] {                    // a part of it; says whether there is more
//               part(next++);
//               return next < parts;
//             },
//             [&](Crew::Team& team) {  // what is left
//               first_half(team.member(), team.members());
//               team.sync();           // all members have come here
//               second_half(team.member(), team.members());
//             });
//
// What it computes must not depend on when they come and how many. Nobody comes when other threads have a shift. Where
// other programs compute a helper may lose its core in the middle: when the caller waited for a good part of the time,
// the next pieces of work are done alone, more of them each time in a row.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace smidgen {

class Crew {
 public:
  // cores >= 1: cores - 1 threads are started, or as many as can be had. for_all: all of them are waited for, always.
  explicit Crew(std::size_t cores, bool for_all = false);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // While it lives its thread is at work.
  class Shift {
   public:
    explicit Shift(Crew* crew);  // null: none
    ~Shift();
    Shift(const Shift&) = delete;
    Shift& operator=(const Shift&) = delete;

   private:
    Crew* crew_;
  };

  // Who takes part in a piece of work; one for each of them.
  class Team {
   public:
    std::size_t member() const { return member_; }  // 0: the caller's thread
    std::size_t members() const { return members_; }
    void sync();  // waits for all members; what they wrote before is then seen by all

   private:
    friend class Crew;
    struct Meeting;
    Team(Meeting* meeting, std::size_t member, std::size_t members)
        : meeting_(meeting), member_(member), members_(members) {}
    Meeting* meeting_;  // null: alone
    std::size_t member_, members_;
  };

  // Calls alone() until it says that nothing is left, or others have come; then together(team) on this thread and on
  // theirs. Returns when all have ended; what one of them threw comes out here.
  void work(const std::function<bool()>& alone, const std::function<void(Team&)>& together);
  std::size_t cores() const;  // that can take part

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace smidgen
