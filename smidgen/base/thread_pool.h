// A fixed set of threads for loops over independent items. Results must not depend on the number of threads: each index
// writes only its own output, and reductions are done by the caller in index order.
//
// Thread contract: one parallel_for at a time per pool (a nested call from inside a body runs inline).
#pragma once

#include <cstddef>
#include <functional>
#include <memory>

namespace smidgen {

class ThreadPool {
 public:
  // threads >= 1; the calling thread works too, so `threads - 1` are started, or as many as can be had.
  explicit ThreadPool(std::size_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  std::size_t threads() const;

  // Calls body(index, worker) once for every index in [0, count); worker in [0, threads()). Items are handed out in
  // rising order, one at a time. Returns when all are done. An exception out of body (std::bad_alloc) comes out of
  // parallel_for once no thread is in a body; the indices behind it are left out.
  void parallel_for(std::size_t count, const std::function<void(std::size_t index, std::size_t worker)>& body);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Cores this process may use: the smallest of the affinity mask and the cgroup CPU quota (rounded up), at least 1.
std::size_t usable_cores();

}  // namespace smidgen
