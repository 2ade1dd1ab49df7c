#include "smidgen/learn/calibrate.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <unordered_map>

#include "smidgen/base/exponential.h"
#include "smidgen/base/random.h"
#include "smidgen/base/result.h"
#include "smidgen/learn/score_quality.h"

namespace smidgen {
namespace {

constexpr double kWeightMin = 0.01;  // a rung no better than chance still gives finite, nearly flat probabilities
constexpr int kNewtonStepsMax = 40;
constexpr int kConjugateStepsMax = 40;
constexpr double kGradientTolerance = 1e-7;  // of the mean loss

struct Parameters {
  std::vector<double> weights;  // one per column
  std::vector<double> bias;     // label_count, or empty
};

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// sum_l p[l] s[l] and sum_l p[l] s[l] t[l]. Four partial sums: one chain of additions would wait for each of them.
double weighted_sum(const double* p, const float* s, std::size_t n) {
  double sums[4] = {0, 0, 0, 0};
  std::size_t l = 0;
  for (; l + 4 <= n; l += 4) {
    for (std::size_t k = 0; k < 4; ++k) sums[k] += p[l + k] * static_cast<double>(s[l + k]);
  }
  for (; l < n; ++l) sums[0] += p[l] * static_cast<double>(s[l]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

double weighted_product(const double* p, const float* s, const float* t, std::size_t n) {
  double sums[4] = {0, 0, 0, 0};
  std::size_t l = 0;
  for (; l + 4 <= n; l += 4) {
    for (std::size_t k = 0; k < 4; ++k) {
      sums[k] += p[l + k] * static_cast<double>(s[l + k]) * static_cast<double>(t[l + k]);
    }
  }
  for (; l < n; ++l) sums[0] += p[l] * static_cast<double>(s[l]) * static_cast<double>(t[l]);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// The mean regularised log loss over some rows as a function of theta = (weights of the active columns, bias), with its
// gradient and products with its Hessian. Keeps the probabilities of the last point: (rows, labels).
class LogLoss {
 public:
  LogLoss(const ScoredRows& rows, std::span<const std::uint32_t> chosen, std::vector<std::size_t> active,
          std::size_t own, bool bias, const CalibrationOptions& options)
      : rows_(rows), chosen_(chosen), active_(std::move(active)), own_(own), bias_(bias), options_(options) {
    probabilities_.resize(chosen.size() * rows.label_count);
  }

  std::size_t size() const { return active_.size() + (bias_ ? rows_.label_count : 0); }

  // The value; gradient and the Hessian's diagonal (theta-sized) are filled too.
  double evaluate(const std::vector<double>& theta, std::vector<double>& gradient, std::vector<double>& diagonal) {
    const std::size_t labels = rows_.label_count, weights = active_.size();
    gradient.assign(size(), 0);
    diagonal.assign(size(), 0);
    weight_hessian_.assign(weights * weights, 0);
    double loss = 0;
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      double* p = &probabilities_[i * labels];
      const std::uint32_t truth = rows_.labels[chosen_[i]];
      loss += softmax_row(i, theta, p, truth);
      add_weight_terms(i, p, truth, gradient, diagonal);
      if (!bias_) continue;
      for (std::size_t l = 0; l < labels; ++l) {
        gradient[weights + l] += p[l];
        diagonal[weights + l] += p[l] * (1 - p[l]);
      }
      gradient[weights + truth] -= 1;
    }
    const double n = rows_counted();
    for (std::size_t k = 0; k < size(); ++k) {
      const double prior = k < weights ? options_.weight_prior : options_.bias_prior;
      const double distance = theta[k] - (k < weights && active_[k] == own_ ? 1.0 : 0.0);
      loss += 0.5 * prior * distance * distance;
      gradient[k] = (gradient[k] + prior * distance) / n;
      diagonal[k] = (diagonal[k] + prior) / n;
    }
    return loss / n;
  }

  // out = Hessian at the last point times v.
  void hessian_times(const std::vector<double>& v, std::vector<double>& out) const {
    const std::size_t labels = rows_.label_count, weights = active_.size();
    out.assign(size(), 0);
    for (std::size_t k = 0; k < weights && !bias_; ++k) {
      for (std::size_t c = 0; c < weights; ++c) out[k] += weight_hessian_[k * weights + c] * v[c];
    }
    std::vector<double> change(labels);
    for (std::size_t i = 0; i < chosen_.size() && bias_; ++i) {
      const double* p = &probabilities_[i * labels];
      std::copy(v.begin() + static_cast<std::ptrdiff_t>(weights), v.end(), change.begin());
      for (std::size_t c = 0; c < weights; ++c) {
        const float* s = scores(i, c);
        for (std::size_t l = 0; l < labels; ++l) change[l] += v[c] * static_cast<double>(s[l]);
      }
      double mean = 0;
      for (std::size_t l = 0; l < labels; ++l) mean += p[l] * change[l];
      for (std::size_t l = 0; l < labels; ++l) change[l] = p[l] * (change[l] - mean);
      for (std::size_t c = 0; c < weights; ++c) {
        const float* s = scores(i, c);
        out[c] += weighted_sum(change.data(), s, labels);
      }
      for (std::size_t l = 0; l < labels; ++l) out[weights + l] += change[l];
    }
    for (std::size_t k = 0; k < size(); ++k) {
      out[k] = (out[k] + (k < weights ? options_.weight_prior : options_.bias_prior) * v[k]) / rows_counted();
    }
  }

 private:
  double rows_counted() const { return std::max(1.0, static_cast<double>(chosen_.size())); }

  const float* scores(std::size_t i, std::size_t active) const {
    return rows_.scores.data() + (chosen_[i] * rows_.rungs + active_[active]) * rows_.label_count;
  }

  // The row's part of the weights' gradient and Hessian: E s_c - s_c(truth) and the covariance of s_c, s_d under p.
  void add_weight_terms(std::size_t i, const double* p, std::uint32_t truth, std::vector<double>& gradient,
                        std::vector<double>& diagonal) {
    const std::size_t labels = rows_.label_count, weights = active_.size();
    std::vector<double>& mean = means_;
    mean.resize(weights);
    for (std::size_t c = 0; c < weights; ++c) {
      const float* s = scores(i, c);
      mean[c] = weighted_sum(p, s, labels);
      gradient[c] += mean[c] - static_cast<double>(s[truth]);
      for (std::size_t d = bias_ ? c : 0; d <= c; ++d) {
        const double product = weighted_product(p, s, scores(i, d), labels);
        const double covariance = product - mean[c] * mean[d];
        weight_hessian_[c * weights + d] += covariance;
        if (d == c) {
          diagonal[c] += covariance;
        } else {
          weight_hessian_[d * weights + c] += covariance;
        }
      }
    }
  }

  // Fills p with the row's probabilities; returns -ln p(truth).
  double softmax_row(std::size_t i, const std::vector<double>& theta, double* p, std::uint32_t truth) const {
    const std::size_t labels = rows_.label_count, weights = active_.size();
    for (std::size_t l = 0; l < labels; ++l) p[l] = bias_ ? theta[weights + l] : 0;
    for (std::size_t c = 0; c < weights; ++c) {
      const float* s = scores(i, c);
      for (std::size_t l = 0; l < labels; ++l) p[l] += theta[c] * static_cast<double>(s[l]);
    }
    const double largest = *std::max_element(p, p + labels), own = p[truth];
    double sum = 0;
    for (std::size_t l = 0; l < labels; ++l) {
      p[l] = exp_portable(p[l] - largest);
      sum += p[l];
    }
    for (std::size_t l = 0; l < labels; ++l) p[l] /= sum;
    return std::log(sum) + largest - own;
  }

  const ScoredRows& rows_;
  std::span<const std::uint32_t> chosen_;
  std::vector<std::size_t> active_;  // rung numbers
  std::size_t own_;
  bool bias_;
  const CalibrationOptions& options_;
  std::vector<double> probabilities_;
  std::vector<double> weight_hessian_;  // (weights, weights), summed over rows; complete without a bias only
  std::vector<double> means_;
};

// Solves H d = -g approximately by conjugate gradients with the diagonal as preconditioner (Nocedal and Wright,
// "Numerical Optimization", algorithm 7.1).
std::vector<double> newton_direction(const LogLoss& loss, const std::vector<double>& gradient,
                                     const std::vector<double>& diagonal) {
  const std::size_t size = gradient.size();
  std::vector<double> d(size, 0), r(gradient), z(size), q(size), product;
  for (std::size_t k = 0; k < size; ++k) z[k] = r[k] / diagonal[k];
  for (std::size_t k = 0; k < size; ++k) q[k] = -z[k];
  double rz = dot(r, z);
  const double norm = std::sqrt(dot(gradient, gradient)), target = std::min(0.1, std::sqrt(norm)) * norm;
  for (int step = 0; step < kConjugateStepsMax && rz > 0; ++step) {
    loss.hessian_times(q, product);
    const double curvature = dot(q, product);
    if (!(curvature > 0)) break;
    const double alpha = rz / curvature;
    for (std::size_t k = 0; k < size; ++k) {
      d[k] += alpha * q[k];
      r[k] += alpha * product[k];
      z[k] = r[k] / diagonal[k];
    }
    if (std::sqrt(dot(r, r)) <= target) break;
    const double next = dot(r, z);
    for (std::size_t k = 0; k < size; ++k) q[k] = -z[k] + next / rz * q[k];
    rz = next;
  }
  return d;
}

// Damped Newton: theta moves from its start to the minimum.
void minimise(LogLoss& loss, std::vector<double>& theta) {
  std::vector<double> gradient, diagonal, next_gradient, next_diagonal;
  double value = loss.evaluate(theta, gradient, diagonal);
  for (int step = 0; step < kNewtonStepsMax; ++step) {
    double largest = 0;
    for (const double g : gradient) largest = std::max(largest, std::abs(g));
    if (largest < kGradientTolerance) return;
    const std::vector<double> direction = newton_direction(loss, gradient, diagonal);
    const double slope = dot(direction, gradient);
    double length = 1, next_value = value;
    std::vector<double> next(theta.size());
    for (int halving = 0; halving < 30; ++halving, length /= 2) {
      for (std::size_t k = 0; k < theta.size(); ++k) next[k] = theta[k] + length * direction[k];
      next_value = loss.evaluate(next, next_gradient, next_diagonal);
      if (next_value <= value + 1e-4 * length * slope) break;
    }
    if (!(next_value < value)) return;  // at the limit of the arithmetic
    theta = next;
    value = next_value;
    std::swap(gradient, next_gradient);
    std::swap(diagonal, next_diagonal);
  }
}

struct FitTask {
  const ScoredRows& rows;
  std::span<const std::size_t> columns;
  const CalibrationOptions& options;
};

// One fit over `chosen` rows from `start`. Weights that come out negative are dropped, the most negative first.
Parameters fit(const FitTask& task, std::span<const std::uint32_t> chosen, bool blend, const Parameters& start,
               bool bias) {
  const std::size_t columns = task.columns.size(), labels = task.rows.label_count;
  std::vector<std::size_t> kept;  // positions in columns
  for (std::size_t c = blend ? 0 : columns - 1; c < columns; ++c) kept.push_back(c);
  Parameters result = start;
  if (bias && result.bias.empty()) result.bias.assign(labels, 0);
  for (;;) {
    std::vector<std::size_t> active;
    std::vector<double> theta;
    for (const std::size_t c : kept) {
      active.push_back(task.columns[c]);
      theta.push_back(result.weights[c]);
    }
    if (bias) theta.insert(theta.end(), result.bias.begin(), result.bias.end());
    LogLoss loss(task.rows, chosen, active, task.columns.back(), bias, task.options);
    minimise(loss, theta);
    std::fill(result.weights.begin(), result.weights.end(), 0.0);
    for (std::size_t k = 0; k < kept.size(); ++k) result.weights[kept[k]] = theta[k];
    if (bias) result.bias.assign(theta.begin() + static_cast<std::ptrdiff_t>(kept.size()), theta.end());
    const auto lowest = std::min_element(kept.begin(), kept.end(),
                                         [&](auto a, auto b) { return result.weights[a] < result.weights[b]; });
    if (result.weights[*lowest] >= 0 || kept.size() == 1) break;
    result.weights[*lowest] = 0;
    kept.erase(lowest);
  }
  if (kept.size() == 1) result.weights[kept[0]] = std::max(kWeightMin, result.weights[kept[0]]);
  return result;
}

Stage to_stage(const Parameters& parameters) {
  Stage stage;
  for (const double w : parameters.weights) stage.weights.push_back(static_cast<float>(w));
  for (const double b : parameters.bias) stage.bias.push_back(static_cast<float>(b));
  return stage;
}

struct Method {
  const char* name;
  bool blend, bias;
  int start;  // the simpler method whose optimum this one starts from; -1: the rung as it is
};

// Simplest first.
std::vector<Method> methods(const ScoredRows& rows, std::size_t columns, const CalibrationOptions& options) {
  std::vector<Method> list = {{"temperature", false, false, -1}};
  const bool blend = options.blend && columns > 1;
  const bool bias = options.bias && std::min(rows.size(), options.rows_max) >= options.bias_rows_min * rows.label_count;
  if (blend) list.push_back({"blend", true, false, 0});
  if (bias) list.push_back({"temperature+bias", false, true, 0});
  if (blend && bias) list.push_back({"blend+bias", true, true, 1});
  return list;
}

// All methods on the same rows.
std::vector<Stage> fit_all(const FitTask& task, std::span<const std::uint32_t> chosen,
                           const std::vector<Method>& list) {
  Parameters identity;
  identity.weights.assign(task.columns.size(), 0);
  identity.weights.back() = 1;
  std::vector<Parameters> fitted;
  std::vector<Stage> stages;
  for (const Method& method : list) {
    const Parameters start = method.start < 0 ? identity : fitted[static_cast<std::size_t>(method.start)];
    fitted.push_back(fit(task, chosen, method.blend, start, method.bias));
    stages.push_back(to_stage(fitted.back()));
  }
  return stages;
}

// Fold of every row: units dealt out in a seeded order, so folds differ by at most one unit.
std::vector<std::uint32_t> deal_folds(const ScoredRows& rows, std::size_t folds, std::uint64_t seed) {
  std::vector<std::uint32_t> dense(rows.size());
  std::unordered_map<std::uint32_t, std::uint32_t> seen;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::uint32_t unit = rows.units.empty() ? static_cast<std::uint32_t>(i) : rows.units[i];
    dense[i] = seen.try_emplace(unit, static_cast<std::uint32_t>(seen.size())).first->second;
  }
  std::vector<std::uint32_t> order(seen.size());
  std::iota(order.begin(), order.end(), 0u);
  Random random(seed ^ 0x63616c6962726174ULL);
  random.shuffle(std::span(order));
  std::vector<std::uint32_t> fold_of_unit(order.size()), result(rows.size());
  for (std::size_t k = 0; k < order.size(); ++k) fold_of_unit[order[k]] = static_cast<std::uint32_t>(k % folds);
  for (std::size_t i = 0; i < rows.size(); ++i) result[i] = fold_of_unit[dense[i]];
  return result;
}

std::vector<std::uint32_t> thinned(const std::vector<std::uint32_t>& rows, std::size_t rows_max) {
  if (rows.size() <= rows_max) return rows;
  std::vector<std::uint32_t> result(rows_max);
  for (std::size_t k = 0; k < rows_max; ++k) result[k] = rows[k * rows.size() / rows_max];
  return result;
}

// Writes the columns' scores of one row side by side: (columns, labels).
void gather(const ScoredRows& rows, std::span<const std::size_t> columns, std::size_t row, std::vector<float>& out) {
  const std::size_t labels = rows.label_count;
  out.resize(columns.size() * labels);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    const auto own = rows.scores.subspan((row * rows.rungs + columns[c]) * labels, labels);
    std::copy(own.begin(), own.end(), out.begin() + static_cast<std::ptrdiff_t>(c * labels));
  }
}

// The simplest method within one standard error of the best. losses (methods, n).
std::size_t choose(const std::vector<std::vector<double>>& losses, std::span<const std::uint32_t> units) {
  std::vector<double> sums;
  for (const auto& own : losses) sums.push_back(std::accumulate(own.begin(), own.end(), 0.0));
  const auto best = static_cast<std::size_t>(std::min_element(sums.begin(), sums.end()) - sums.begin());
  for (std::size_t m = 0; m < best; ++m) {
    const PairedDifference difference = paired_difference(losses[m], losses[best], units);
    if (difference.mean <= difference.standard_error) return m;
  }
  return best;
}

Evaluation evaluate_raw(const ScoredRows& rows, std::size_t column) {
  const std::size_t labels = rows.label_count;
  std::vector<float> probabilities(rows.size() * labels);
  const Stage plain = {.weights = {1.0F}, .bias = {}, .threshold = 0};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    blend_stage(plain, rows.scores.subspan((i * rows.rungs + column) * labels, labels),
                std::span(probabilities).subspan(i * labels, labels));
  }
  return evaluate(probabilities, rows.labels, labels);
}

}  // namespace

std::vector<double> losses_of(const Calibration& calibration, std::span<const std::uint32_t> labels) {
  const std::size_t label_count = calibration.probabilities.size() / labels.size();
  std::vector<double> losses;
  for (std::size_t i = 0; i < labels.size(); ++i)
    losses.push_back(row_loss(calibration.probabilities[i * label_count + labels[i]]));
  return losses;
}

Calibration calibrate(const ScoredRows& rows, std::span<const std::size_t> columns, const CalibrationOptions& options,
                      ThreadPool* pool) {
  const std::size_t n = rows.size(), labels = rows.label_count;
  SMIDGEN_CHECK(n > 0 && !columns.empty() && rows.scores.size() == n * rows.rungs * labels);
  SMIDGEN_CHECK(rows.units.empty() || rows.units.size() == n);
  const FitTask task{rows, columns, options};
  const std::vector<Method> list = methods(rows, columns.size(), options);
  const std::size_t folds = std::max<std::size_t>(2, options.folds);
  const std::vector<std::uint32_t> fold = deal_folds(rows, folds, options.seed);

  std::vector<std::vector<float>> predicted(list.size(), std::vector<float>(n * labels));
  std::vector<std::vector<double>> losses(list.size(), std::vector<double>(n));
  std::vector<Stage> final_stages;
  const auto body = [&](std::size_t f, std::size_t) {  // f == folds: the fit on all rows
    std::vector<std::uint32_t> training;
    for (std::uint32_t i = 0; i < n; ++i) {
      if (fold[i] != f) training.push_back(i);
    }
    const auto stages = fit_all(task, thinned(training, options.rows_max), list);
    std::vector<float> scores;
    for (std::uint32_t i = 0; i < n; ++i) {
      if (fold[i] != f) continue;
      gather(rows, columns, i, scores);
      for (std::size_t m = 0; m < list.size(); ++m) {
        const auto out = std::span(predicted[m]).subspan(i * labels, labels);
        blend_stage(stages[m], scores, out);
        losses[m][i] = row_loss(out[rows.labels[i]]);
      }
    }
    if (f == folds) final_stages = stages;
  };
  if (pool != nullptr) {
    pool->parallel_for(folds + 1, body);
  } else {
    for (std::size_t f = 0; f <= folds; ++f) body(f, 0);
  }

  Calibration result;
  for (std::size_t m = 0; m < list.size(); ++m) {
    const Evaluation e = evaluate(predicted[m], rows.labels, labels);
    result.tried.push_back({list[m].name, e.log_loss, e.accuracy});
  }
  const std::size_t chosen = choose(losses, rows.units);
  result.stage = final_stages[chosen];
  result.method = list[chosen].name;
  result.probabilities = std::move(predicted[chosen]);
  result.before = evaluate_raw(rows, columns.back());
  result.after = evaluate(result.probabilities, rows.labels, labels);
  return result;
}

}  // namespace smidgen
