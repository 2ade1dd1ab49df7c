#include "smidgen/base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "smidgen/base/cgroup.h"
#include "smidgen/base/result.h"

namespace smidgen {

namespace {
thread_local bool inside_parallel_for = false;
}  // namespace

// Invariants, all under `mutex`: `body` is set while a loop runs; `next` is the first index not handed out; `running`
// counts the workers inside a body. A loop is over when next == count and running == 0. `thrown` is what came out of a
// body first; nothing is handed out after it.
struct ThreadPool::State {
  std::mutex mutex;
  std::condition_variable work_ready, work_done;
  const std::function<void(std::size_t, std::size_t)>* body = nullptr;
  std::size_t count = 0, next = 0, running = 0;
  bool stopping = false;
  std::exception_ptr thrown;
  std::vector<std::thread> threads;

  void work(std::size_t worker, std::unique_lock<std::mutex>& lock) {
    while (body != nullptr && next < count) {
      const std::size_t index = next++;
      const auto* current = body;
      ++running;
      lock.unlock();
      std::exception_ptr here;
      try {
        (*current)(index, worker);
      } catch (...) {
        here = std::current_exception();
      }
      lock.lock();
      --running;
      if (here == nullptr) continue;
      if (thrown == nullptr) thrown = here;
      next = count;
    }
    if (running == 0) work_done.notify_all();
  }
};

ThreadPool::ThreadPool(std::size_t threads) : state_(std::make_unique<State>()) {
  SMIDGEN_CHECK(threads >= 1);
  State* state = state_.get();
  const auto work = [state](std::size_t worker) {
    inside_parallel_for = true;
    std::unique_lock lock(state->mutex);
    while (!state->stopping) {
      state->work(worker, lock);
      state->work_ready.wait(
          lock, [state] { return state->stopping || (state->body != nullptr && state->next < state->count); });
    }
  };
  state->threads.reserve(threads - 1);
  try {
    for (std::size_t worker = 1; worker < threads; ++worker) state->threads.emplace_back(work, worker);
  } catch (const std::exception&) {
    // No more threads can be had (`ulimit -u`, memory): results do not depend on their number, so go on with fewer.
  }
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->work_ready.notify_all();
  for (auto& thread : state_->threads) thread.join();
}

std::size_t ThreadPool::threads() const {
  return state_->threads.size() + 1;
}

void ThreadPool::parallel_for(std::size_t count, const std::function<void(std::size_t, std::size_t)>& body) {
  if (inside_parallel_for || state_->threads.empty() || count <= 1) {
    for (std::size_t index = 0; index < count; ++index) body(index, 0);
    return;
  }
  std::unique_lock lock(state_->mutex);
  SMIDGEN_CHECK(state_->body == nullptr);
  state_->body = &body;
  state_->count = count;
  state_->next = 0;
  state_->work_ready.notify_all();
  inside_parallel_for = true;
  state_->work(0, lock);
  inside_parallel_for = false;
  state_->work_done.wait(lock, [this] { return state_->next >= state_->count && state_->running == 0; });
  state_->body = nullptr;
  if (const std::exception_ptr thrown = std::exchange(state_->thrown, nullptr)) std::rethrow_exception(thrown);
}

std::size_t usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  if (sched_getaffinity(0, sizeof set, &set) == 0) cores = static_cast<std::size_t>(CPU_COUNT(&set));
  const double allowed = std::ceil(cgroup_limits().cores - 1e-3);
  return std::max<std::size_t>(1, allowed < static_cast<double>(cores) ? static_cast<std::size_t>(allowed) : cores);
}

}  // namespace smidgen
