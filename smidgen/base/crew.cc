#include "smidgen/base/crew.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "smidgen/base/clock.h"

namespace smidgen {

namespace {

constexpr std::size_t kSpins = 4000;  // some 50 us; then the other may not be on a core, and gets this one
constexpr double kGather = 10e-6;     // seconds that the first who came waits for others
constexpr double kWaitedMost = 0.2;   // share of a piece of work that its caller may wait; else
constexpr std::size_t kRestFirst = 8, kRestMost = 512;  // so many are done alone, twice as many each time in a row

// Out of a member that waits for one that threw.
struct Abandoned {};

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

// Returns the seconds that were waited beyond the first spins.
template <class Condition>
double spin_until(const Condition& condition) {
  SteadyTime slow;
  std::size_t spins = 0;
  for (; !condition(); ++spins) {
    if (spins == kSpins) slow = steady_now();
    if (spins >= kSpins) std::this_thread::yield();
    pause();
  }
  return spins > kSpins ? seconds_since(slow) : 0;
}

}  // namespace

struct Crew::Team::Meeting {
  std::size_t members = 1;
  std::atomic<std::size_t> here = 0;    // at the present sync()
  std::atomic<std::size_t> rounds = 0;  // of sync() that are over
  std::atomic<std::size_t> ended = 0;   // members that are through
  std::atomic<bool> failed = false;
  std::mutex mutex;
  std::exception_ptr thrown;  // by the first that did
  double waited = 0;          // seconds, by the caller

  void fail(std::exception_ptr what) {
    const std::lock_guard lock(mutex);
    if (!thrown) thrown = std::move(what);
    failed.store(true, std::memory_order_release);
  }
};

// A call opens a door with a number of its own. Helpers that wake while it stands open go in and get the next number of
// a member; when the caller shuts it, who is inside takes part and who is not sleeps on.
struct Crew::State {
  static constexpr std::uint64_t kOpen = 1U << 15, kInside = kOpen - 1, kCall = 1U << 16;

  std::mutex mutex;
  std::condition_variable wake;
  std::atomic<std::uint64_t> calls = 0;  // changed under the mutex
  bool stopping = false;                 // under the mutex
  std::atomic<std::size_t> busy = 0;
  std::atomic<bool> taken = false;
  std::atomic<std::uint64_t> door = 0;           // number of the call, whether it is open, how many are inside
  std::atomic<std::uint64_t> begun = 0;          // number of the last call whose members are known
  std::size_t rest = 0, rest_next = kRestFirst;  // of who has `taken`: pieces of work to do alone
  const std::function<void(Team&)>* body = nullptr;
  Team::Meeting* meeting = nullptr;
  bool for_all = false;
  std::vector<std::thread> helpers;

  std::uint64_t open_door();
  bool somebody_came() const;
  std::exception_ptr go_through(std::uint64_t call, const std::function<void(Team&)>& with);
  void help();
  static void take_part(Team::Meeting& meeting, std::size_t member, const std::function<void(Team&)>& body);
};

void Crew::State::take_part(Team::Meeting& meeting, std::size_t member, const std::function<void(Team&)>& body) {
  Team team(&meeting, member, meeting.members);
  try {
    body(team);
  } catch (const Abandoned&) {
  } catch (...) {
    meeting.fail(std::current_exception());
  }
  meeting.ended.fetch_add(1, std::memory_order_acq_rel);  // the last that is said of it
}

void Crew::State::help() {
  std::uint64_t seen = 0;
  for (;;) {
    // Texts often follow each other, and to fall asleep and wake takes longer than the first layers of a short one.
    for (std::size_t spins = 0; spins < kSpins && calls.load(std::memory_order_relaxed) == seen; ++spins) pause();
    {
      std::unique_lock lock(mutex);
      wake.wait(lock, [&] { return stopping || calls != seen; });
      if (stopping) return;
      seen = calls;
    }
    std::uint64_t at = door.load(std::memory_order_acquire);
    bool inside = false;
    while (!inside && at / kCall == seen && (at & kOpen) != 0)
      inside = door.compare_exchange_weak(at, at + 1, std::memory_order_acq_rel);
    if (!inside) continue;
    spin_until([&] { return begun.load(std::memory_order_acquire) >= seen; });
    take_part(*meeting, (at & kInside) + 1, *body);
  }
}

Crew::Crew(std::size_t cores, bool for_all) : state_(std::make_unique<State>()) {
  state_->for_all = for_all;
  try {
    for (std::size_t i = 1; i < cores; ++i) state_->helpers.emplace_back([state = state_.get()] { state->help(); });
  } catch (const std::system_error&) {  // fewer help
  }
}

Crew::~Crew() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  for (std::thread& helper : state_->helpers) helper.join();
}

std::size_t Crew::cores() const {
  return state_->helpers.size() + 1;
}

Crew::Shift::Shift(Crew* crew) : crew_(crew) {
  if (crew_ != nullptr) ++crew_->state_->busy;
}
Crew::Shift::~Shift() {
  if (crew_ != nullptr) --crew_->state_->busy;
}

void Crew::Team::sync() {
  if (meeting_ == nullptr) return;
  Meeting& meeting = *meeting_;
  const std::size_t round = meeting.rounds.load(std::memory_order_acquire);
  if (meeting.here.fetch_add(1, std::memory_order_acq_rel) + 1 == members_) {
    meeting.here.store(0, std::memory_order_relaxed);
    meeting.rounds.store(round + 1, std::memory_order_release);
  } else {
    const double waited = spin_until([&] {
      return meeting.rounds.load(std::memory_order_acquire) != round || meeting.failed.load(std::memory_order_acquire);
    });
    if (member_ == 0) meeting.waited += waited;
  }
  if (meeting.failed.load(std::memory_order_acquire)) throw Abandoned();
}

// Wakes the helpers; the number of the call, or 0 when none may help now.
std::uint64_t Crew::State::open_door() {
  if (busy.load() > 1 || helpers.empty() || taken.exchange(true)) return 0;
  if (rest > 0) {
    --rest;
    taken.store(false);
    return 0;
  }
  std::uint64_t call = 0;
  {
    const std::lock_guard lock(mutex);
    call = ++calls;
    door.store(call * kCall + kOpen, std::memory_order_release);
  }
  wake.notify_all();
  return call;
}

bool Crew::State::somebody_came() const {
  const auto inside = [&] { return door.load(std::memory_order_acquire) & kInside; };
  if (inside() == 0 && !for_all) return false;
  const SteadyTime start = steady_now();
  spin_until([&] { return inside() == helpers.size() || (!for_all && seconds_since(start) >= kGather); });
  return true;
}

// Shuts the door and goes through `body` with those inside.
std::exception_ptr Crew::State::go_through(std::uint64_t call, const std::function<void(Team&)>& with) {
  Team::Meeting now;
  now.members = (door.fetch_and(~kOpen, std::memory_order_acq_rel) & kInside) + 1;
  body = &with;
  meeting = &now;
  const SteadyTime began = steady_now();
  begun.store(call, std::memory_order_release);
  take_part(now, 0, with);
  now.waited += spin_until([&] { return now.ended.load(std::memory_order_acquire) == now.members; });
  if (now.waited > kWaitedMost * seconds_since(began) && !for_all) {
    rest = rest_next;
    rest_next = std::min(2 * rest_next, kRestMost);
  } else if (now.members > 1) {
    rest_next = kRestFirst;
  }
  return now.thrown;
}

void Crew::work(const std::function<bool()>& alone, const std::function<void(Team&)>& together) {
  static const std::function<void(Team&)> kNothing = [](Team&) {};
  const std::uint64_t call = state_->open_door();
  bool more = true;
  std::exception_ptr thrown;
  try {
    while (more && (call == 0 || !state_->somebody_came())) more = alone();
  } catch (...) {
    thrown = std::current_exception();
  }
  if (call != 0) {
    const std::exception_ptr later = state_->go_through(call, more && !thrown ? together : kNothing);
    state_->taken.store(false);
    if (!thrown) thrown = later;
  }
  if (thrown) std::rethrow_exception(thrown);
}

}  // namespace smidgen
