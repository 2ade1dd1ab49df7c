// Proof by simulation that certificates hold: a pool of scored, labelled rows is taken for the whole world, so the true
// risk of a policy is known; tune and certify are redrawn from it with replacement (a redrawn row is a unit of its own)
// and every draw is certified exactly as `pick` does. bench/certify_simulation.cc and the tests run it.
#pragma once

#include <cstdint>
#include <vector>

#include "smidgen/learn/certify.h"

namespace smidgen {

struct ScorePool {
  std::size_t rungs = 0, label_count = 0;
  std::vector<std::uint32_t> labels;  // (n)
  std::vector<float> scores;          // (n, rungs, label_count), log-probabilities
  std::size_t size() const { return labels.size(); }
};

struct SimulationOptions {
  std::uint64_t draws = 1000, seed = 1;
  std::size_t units_tune = 1000, units_certify = 1500;
  CertificationOptions certification;  // selective risk; units_certify is set from here
  bool control = false;                // also run the negative control (slow: tests every candidate)
};

struct SimulationResult {
  std::uint64_t draws = 0, certified = 0, refused = 0;
  std::uint64_t violations = 0;          // certified although the policy's risk on the pool reaches alpha
  std::uint64_t control_violations = 0;  // the same for the cheapest of all candidates that pass, in no fixed order
  double coverage = 0;                   // mean over certified draws, on the pool
  double tested = 0;                     // mean candidates tested a draw
  // Some candidate answers at least 500 certify units with at most half the allowed errors: then few may be refused.
  bool easy = false;
};

SimulationResult simulate(const ScorePool& pool, const SimulationOptions& options, ThreadPool* threads = nullptr);

// The 99 % limit of a count of violations that happen with probability delta: 67 of 1,000 at 0.05.
std::uint64_t violations_limit(std::uint64_t draws, double delta);

// A pool in which every policy of the grid has a risk of exactly 1/20: two labels, all rungs give the same answer, and
// how sure they are (every combination of `levels` values) says nothing about being right. rungs 1..3.
ScorePool boundary_pool(std::size_t rungs, std::size_t levels);
// A pool whose confident 80 % are wrong in 2 % of rows, the rest in 30 %; the second rung separates them better.
ScorePool easy_pool(std::uint64_t seed, std::size_t rows);

}  // namespace smidgen
