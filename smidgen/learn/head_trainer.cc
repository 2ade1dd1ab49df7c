#include "smidgen/learn/head_trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "smidgen/learn/principal_axes.h"
#include "smidgen/learn/slab_products.h"

namespace smidgen {

namespace {

constexpr std::size_t kDimensionsMax = 4096;
constexpr std::size_t kHistory = 12;        // pairs kept by L-BFGS
constexpr double kCurvatureFloor = 1e-5;    // of mean(p (1 - p)): labels that are never in doubt
constexpr double kFoldTolerance = 1e-5;     // of the fits of cross-validation: far below what a choice or a blend sees
constexpr std::size_t kWorseInARowMax = 2;  // of the path over C

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

struct HeadTrainer::State {
  std::size_t rows = 0, dimensions = 0, labels = 0;
  std::vector<std::uint32_t> truth;  // label of every row
  PrincipalAxes axes;                // of all rows
  std::vector<float> rotated;        // (rows, dimensions): (x - mean) on the axes
  ThreadPool* pool = nullptr;

  double penalty(double c) const { return (labels == 2 ? 2.0 : 1.0) / c; }

  // The head for raw features: W = R V and b = bias - W mean, with the axes as rows of V.
  SoftmaxHead unrotate(std::span<const double> solution) const {
    SoftmaxHead head{labels, dimensions, std::vector<float>(labels * dimensions), std::vector<float>(labels)};
    std::vector<double> raw(dimensions);
    for (std::size_t k = 0; k < labels; ++k) {
      const double* weights = &solution[k * (dimensions + 1)];
      std::fill(raw.begin(), raw.end(), 0.0);
      for (std::size_t j = 0; j < dimensions; ++j) {
        const double* axis = &axes.eigen.vectors[j * dimensions];
        for (std::size_t i = 0; i < dimensions; ++i) raw[i] += weights[j] * axis[i];
      }
      head.bias[k] = static_cast<float>(weights[dimensions] - dot(raw, axes.mean));
      for (std::size_t i = 0; i < dimensions; ++i) head.weights[k * dimensions + i] = static_cast<float>(raw[i]);
    }
    return head;
  }
};

namespace {

// The objective of one fit: some rows, and only the labels that occur among them.
class Objective {
 public:
  struct Point {
    double value = 0;
    std::vector<double> gradient;   // (labels, dimensions + 1)
    std::vector<double> curvature;  // (labels): sum over rows of p (1 - p)
  };

  Objective(std::span<const float> features, std::size_t dimensions, std::span<const std::uint32_t> truth,
            std::span<const std::uint32_t> rows, std::vector<std::uint32_t> active, double penalty,
            const FitTargets* targets, ThreadPool& pool)
      : dimensions_(dimensions),
        rows_(rows.size()),
        active_(std::move(active)),
        penalty_(penalty),
        pool_(pool),
        products_(features, dimensions, rows, active_.size()) {
    std::vector<std::uint32_t> compact(1 + *std::max_element(active_.begin(), active_.end()));
    for (std::size_t k = 0; k < active_.size(); ++k) compact[active_[k]] = static_cast<std::uint32_t>(k);
    const bool soft = targets != nullptr && targets->soft.rows() > 0;
    for (const std::uint32_t row : rows) {
      const SoftLabel whole{truth[row], 1.0F};
      truth_.add_row(soft ? targets->soft.of(row) : std::span(&whole, 1));
      if (targets != nullptr && !targets->weights.empty()) weights_.push_back(targets->weights[row]);
    }
    truth_.renumber(compact);
  }

  std::size_t labels() const { return active_.size(); }
  std::size_t size() const { return labels() * (dimensions_ + 1); }
  std::size_t rows() const { return rows_; }
  double penalty() const { return penalty_; }
  const std::vector<std::uint32_t>& active() const { return active_; }

  void evaluate(std::span<const double> theta, Point& point) {
    const std::size_t slabs = products_.slabs();
    products_.set_weights(theta);
    losses_.assign(slabs, 0.0);
    curvatures_.assign(slabs * labels(), 0.0);
    bias_gradients_.assign(slabs * labels(), 0.0);
    pool_.parallel_for(slabs, [&](std::size_t slab, std::size_t) {
      const std::span<float> logits = products_.forward(slab);
      residuals(slab, logits);
      products_.backward(slab);
    });
    point.gradient.assign(size(), 0.0);
    point.curvature.assign(labels(), 0.0);
    products_.add_gradient(point.gradient, pool_);
    point.value = std::accumulate(losses_.begin(), losses_.end(), 0.0);
    double squares = 0;
    for (std::size_t k = 0; k < labels(); ++k) {
      const std::size_t base = k * (dimensions_ + 1);
      for (std::size_t j = 0; j < dimensions_; ++j) {
        squares += theta[base + j] * theta[base + j];
        point.gradient[base + j] += penalty_ * theta[base + j];
      }
      for (std::size_t slab = 0; slab < slabs; ++slab) {
        point.gradient[base + dimensions_] += bias_gradients_[slab * labels() + k];
        point.curvature[k] += curvatures_[slab * labels() + k];
      }
    }
    point.value += 0.5 * penalty_ * squares;
  }

 private:
  // In place: the logits of a slab become probabilities less the truth; losses and sums are kept for the slab.
  void residuals(std::size_t slab, std::span<float> logits) {
    const std::size_t count = labels(), first = products_.slab_begin(slab);
    double* bias_gradient = &bias_gradients_[slab * count];
    double* curvature = &curvatures_[slab * count];
    double loss = 0;
    for (std::size_t i = 0; i * count < logits.size(); ++i) {
      const std::span<float> row = logits.subspan(i * count, count);
      const float top = *std::max_element(row.begin(), row.end());
      const float weight = weights_.empty() ? 1.0F : weights_[first + i];
      double own = 0;
      for (const SoftLabel& entry : truth_.of(first + i))
        own += static_cast<double>(entry.share) * (static_cast<double>(row[entry.label]) - static_cast<double>(top));
      float sum = 0;
      for (float& value : row) {
        value = std::exp(value - top);
        sum += value;
      }
      loss += static_cast<double>(weight) * (std::log(static_cast<double>(sum)) - own);
      const float scale = 1 / sum;
      for (std::size_t k = 0; k < count; ++k) {
        const float p = row[k] * scale;
        row[k] = weight * p;
        bias_gradient[k] += static_cast<double>(weight * p);
        curvature[k] += static_cast<double>(weight * p * (1 - p));
      }
      for (const SoftLabel& entry : truth_.of(first + i)) {
        row[entry.label] -= weight * entry.share;
        bias_gradient[entry.label] -= static_cast<double>(weight * entry.share);
      }
    }
    losses_[slab] = loss;
  }

  std::size_t dimensions_, rows_;
  std::vector<std::uint32_t> active_;
  SoftLabels truth_;            // over the active labels
  std::vector<float> weights_;  // of the rows; empty: 1
  double penalty_;
  ThreadPool& pool_;
  SlabProducts products_;
  std::vector<double> losses_, curvatures_, bias_gradients_;
};

// L-BFGS with a diagonal initial Hessian that follows the iterate.
class Minimizer {
 public:
  Minimizer(Objective& objective, std::span<const double> variances, const HeadOptions& options)
      : objective_(objective), variances_(variances), options_(options), diagonal_(objective.size()) {}

  std::size_t iterations = 0, passes = 0;
  bool converged = false;

  Status run(std::vector<double>& theta, double& value, const Watcher& watcher) {
    evaluate(theta, now_);
    for (;; ++iterations) {
      precondition();
      if (decrement() <= options_.tolerance * static_cast<double>(objective_.rows())) {
        converged = true;
        break;
      }
      if (iterations == options_.iterations_max) break;
      if (watcher.stop_requested()) return Error::cancelled();
      direction();
      if (!step(theta)) break;
    }
    value = now_.value;
    return Ok{};
  }

 private:
  struct Pair {
    std::vector<double> s, y;
    double rho = 0;
  };

  void evaluate(std::span<const double> theta, Objective::Point& point) {
    objective_.evaluate(theta, point);
    ++passes;
  }

  void precondition() {
    const std::size_t dimensions = variances_.size();
    const double rows = static_cast<double>(objective_.rows());
    for (std::size_t k = 0; k < objective_.labels(); ++k) {
      double* h = &diagonal_[k * (dimensions + 1)];
      const double curvature = std::max(now_.curvature[k], kCurvatureFloor * rows);
      for (std::size_t j = 0; j < dimensions; ++j) h[j] = curvature * variances_[j] + objective_.penalty();
      h[dimensions] = curvature;
    }
  }

  // An estimate of the value above the optimum: half the squared gradient in the norm of the inverse diagonal.
  double decrement() const {
    double sum = 0;
    for (std::size_t i = 0; i < diagonal_.size(); ++i) sum += now_.gradient[i] * now_.gradient[i] / diagonal_[i];
    return 0.5 * sum;
  }

  // The two-loop recursion; direction_ = -H g.
  void direction() {
    direction_ = now_.gradient;
    std::vector<double> alpha(pairs_.size());
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      alpha[i] = pairs_[i].rho * dot(pairs_[i].s, direction_);
      for (std::size_t j = 0; j < direction_.size(); ++j) direction_[j] -= alpha[i] * pairs_[i].y[j];
    }
    double gamma = 1;
    if (!pairs_.empty()) {
      const Pair& last = pairs_.back();
      double norm = 0;
      for (std::size_t j = 0; j < diagonal_.size(); ++j) norm += last.y[j] * last.y[j] / diagonal_[j];
      gamma = 1 / (last.rho * norm);
    }
    for (std::size_t j = 0; j < direction_.size(); ++j) direction_[j] *= gamma / diagonal_[j];
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const double beta = pairs_[i].rho * dot(pairs_[i].y, direction_);
      for (std::size_t j = 0; j < direction_.size(); ++j) direction_[j] += (alpha[i] - beta) * pairs_[i].s[j];
    }
    for (double& d : direction_) d = -d;
  }

  // Backtracks until the value falls enough (Armijo), or is level within rounding with a flat enough slope (the
  // approximate Wolfe condition: Hager and Zhang 2005). false: rounding stops all progress.
  bool step(std::vector<double>& theta) {
    const double slope = dot(direction_, now_.gradient);
    if (!(slope < 0)) return false;
    std::vector<double> next(theta.size());
    double length = 1;
    for (int attempt = 0; attempt < 12; ++attempt) {
      for (std::size_t j = 0; j < theta.size(); ++j) next[j] = theta[j] + length * direction_[j];
      evaluate(next, next_);
      const double slope_next = dot(direction_, next_.gradient);
      const bool falls = next_.value <= now_.value + 1e-4 * length * slope;
      const bool level =
          next_.value <= now_.value + 1e-7 * std::abs(now_.value) && std::abs(slope_next) <= -0.9 * slope;
      if (falls || level) {
        remember(theta, next);
        theta = std::move(next);
        std::swap(now_, next_);
        return true;
      }
      const double curve = 2 * (next_.value - now_.value - length * slope);
      length = std::clamp(curve > 0 ? -slope * length * length / curve : 0.5 * length, 0.1 * length, 0.6 * length);
    }
    return false;
  }

  void remember(std::span<const double> from, std::span<const double> to) {
    Pair pair;
    if (pairs_.size() == kHistory) {
      pair = std::move(pairs_.front());
      pairs_.erase(pairs_.begin());
    }
    pair.s.resize(from.size());
    pair.y.resize(from.size());
    for (std::size_t j = 0; j < from.size(); ++j) {
      pair.s[j] = to[j] - from[j];
      pair.y[j] = next_.gradient[j] - now_.gradient[j];
    }
    const double curvature = dot(pair.s, pair.y);
    // Strict convexity makes it positive; rounding near the optimum may not.
    if (!(curvature > 1e-14 * std::sqrt(dot(pair.s, pair.s) * dot(pair.y, pair.y)))) return;
    pair.rho = 1 / curvature;
    pairs_.push_back(std::move(pair));
  }

  Objective& objective_;
  std::span<const double> variances_;
  const HeadOptions& options_;
  Objective::Point now_, next_;
  std::vector<double> diagonal_, direction_;
  std::vector<Pair> pairs_;
};

std::vector<std::uint32_t> labels_among(std::span<const std::uint32_t> truth, std::span<const std::uint32_t> rows,
                                        std::size_t labels, const FitTargets* targets) {
  std::vector<bool> seen(labels);
  for (const std::uint32_t row : rows) {
    seen[truth[row]] = true;
    if (targets == nullptr || targets->soft.rows() == 0) continue;
    for (const SoftLabel& entry : targets->soft.of(row)) seen[entry.label] = true;
  }
  std::vector<std::uint32_t> active;
  for (std::uint32_t label = 0; label < labels; ++label) {
    if (seen[label]) active.push_back(label);
  }
  return active;
}

}  // namespace

std::vector<double> default_head_c_grid() {
  return {0.25, 1, 4, 16, 64, 256};
}

HeadTrainer::HeadTrainer(std::unique_ptr<const State> state) : state_(std::move(state)) {}
HeadTrainer::HeadTrainer(HeadTrainer&&) noexcept = default;
HeadTrainer& HeadTrainer::operator=(HeadTrainer&&) noexcept = default;
HeadTrainer::~HeadTrainer() = default;

std::size_t HeadTrainer::labels() const {
  return state_->labels;
}

std::size_t HeadTrainer::dimensions() const {
  return state_->dimensions;
}

Result<HeadTrainer> HeadTrainer::create(std::span<const float> features, std::size_t dimensions,
                                        std::span<const std::uint32_t> labels, std::size_t label_count,
                                        ThreadPool& pool) {
  SMIDGEN_CHECK(dimensions >= 1 && dimensions <= kDimensionsMax && features.size() == labels.size() * dimensions);
  SMIDGEN_CHECK(!labels.empty() && label_count >= 1);
  SMIDGEN_CHECK(*std::max_element(labels.begin(), labels.end()) < label_count);
  auto state = std::make_unique<State>();
  state->rows = labels.size();
  state->dimensions = dimensions;
  state->labels = label_count;
  state->truth.assign(labels.begin(), labels.end());
  state->pool = &pool;
  SMIDGEN_ASSIGN(state->axes, principal_axes(features, dimensions, pool));
  state->rotated = project(features, state->axes, dimensions, pool);
  return HeadTrainer(std::move(state));
}

Result<HeadFit> HeadTrainer::fit(std::span<const std::uint32_t> rows, double c, const Watcher& watcher,
                                 const HeadFit* start, const HeadOptions& options) const {
  SMIDGEN_CHECK(!rows.empty() && c > 0);
  const State& s = *state_;
  const std::size_t stride = s.dimensions + 1;
  Objective objective(s.rotated, s.dimensions, s.truth, rows, labels_among(s.truth, rows, s.labels, options.targets),
                      s.penalty(c), options.targets, *s.pool);
  std::vector<double> theta(objective.size());
  if (start != nullptr && start->rotated.size() == s.labels * stride) {
    for (std::size_t k = 0; k < objective.labels(); ++k) {
      std::copy_n(&start->rotated[objective.active()[k] * stride], stride, &theta[k * stride]);
    }
  }
  HeadFit fit;
  fit.c = c;
  Minimizer minimizer(objective, s.axes.eigen.values, options);
  SMIDGEN_TRY(minimizer.run(theta, fit.objective, watcher));
  fit.iterations = minimizer.iterations;
  fit.passes = minimizer.passes;
  fit.converged = minimizer.converged;

  // Labels that were not there: no weights, and a bias that gives them half a row on average.
  double top = -std::numeric_limits<double>::infinity();
  for (std::size_t k = 0; k < objective.labels(); ++k) top = std::max(top, theta[k * stride + s.dimensions]);
  fit.rotated.assign(s.labels * stride, 0.0);
  for (std::size_t label = 0; label < s.labels; ++label) {
    fit.rotated[label * stride + s.dimensions] = top - std::log(2.0 * static_cast<double>(rows.size()));
  }
  for (std::size_t k = 0; k < objective.labels(); ++k) {
    std::copy_n(&theta[k * stride], stride, &fit.rotated[objective.active()[k] * stride]);
  }
  fit.head = s.unrotate(fit.rotated);
  return fit;
}

void HeadTrainer::score(const HeadFit& fit, std::span<const std::uint32_t> rows, std::span<float> scores) const {
  if (rows.empty()) return;
  const State& s = *state_;
  SlabProducts products(s.rotated, s.dimensions, rows, s.labels);
  products.set_weights(fit.rotated);
  s.pool->parallel_for(products.slabs(), [&](std::size_t slab, std::size_t) {
    const std::span<const float> logits = products.forward(slab);
    const std::span<float> out = scores.subspan(products.slab_begin(slab) * s.labels, logits.size());
    std::copy(logits.begin(), logits.end(), out.begin());
    for (std::size_t i = 0; i < out.size(); i += s.labels) log_softmax(out.subspan(i, s.labels));
  });
}

Result<HeadSearch> HeadTrainer::cross_validate(std::span<const std::uint32_t> rows,
                                               std::span<const std::uint32_t> fold_of, std::size_t folds,
                                               std::span<const double> c_grid, const Watcher& watcher,
                                               const FitTargets* targets) const {
  SMIDGEN_CHECK(!c_grid.empty() && std::is_sorted(c_grid.begin(), c_grid.end()));
  HeadSearch search;
  std::vector<HeadFit> starts(folds);
  std::vector<float> scores(rows.size() * labels());
  const std::size_t judged = folds_judged(fold_of, folds);
  std::vector<std::uint32_t> truth;
  std::vector<float> judged_scores;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (fold_of[i] < judged) truth.push_back(state_->truth[rows[i]]);
  double least = std::numeric_limits<double>::infinity();
  std::size_t worse = 0;
  for (std::size_t i = 0; i < c_grid.size() && worse < kWorseInARowMax; ++i) {
    watcher.report("head: choosing C", static_cast<double>(i) / static_cast<double>(c_grid.size()));
    SMIDGEN_TRY(score_folds(rows, fold_of, c_grid[i], targets, watcher, 0, judged, starts, scores));
    judged_scores.clear();
    for (std::size_t row = 0; row < rows.size(); ++row)
      if (fold_of[row] < judged)
        judged_scores.insert(judged_scores.end(), &scores[row * labels()], &scores[row * labels()] + labels());
    search.tried.push_back({c_grid[i], score_quality(judged_scores, truth, labels())});
    const double loss = search.tried.back().quality.log_loss;
    worse = loss < least ? 0 : worse + 1;
    if (!(loss < least)) continue;
    least = loss;
    search.c = c_grid[i];
    search.out_of_fold = scores;
  }
  SMIDGEN_TRY(score_folds(rows, fold_of, search.c, targets, watcher, judged, folds, starts, search.out_of_fold));
  watcher.report("head: choosing C", 1);
  return search;
}

Status HeadTrainer::score_folds(std::span<const std::uint32_t> rows, std::span<const std::uint32_t> fold_of, double c,
                                const FitTargets* targets, const Watcher& watcher, std::size_t first, std::size_t last,
                                std::span<HeadFit> starts, std::span<float> scores) const {
  SMIDGEN_CHECK(fold_of.size() == rows.size() && starts.size() >= 2);
  HeadOptions options;
  options.tolerance = kFoldTolerance;
  options.targets = targets;
  std::vector<std::uint32_t> inside, outside, places;
  std::vector<float> fold_scores;
  for (std::size_t fold = first; fold < last; ++fold) {
    inside.clear();
    outside.clear();
    places.clear();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      SMIDGEN_CHECK(fold_of[i] < starts.size());
      if (fold_of[i] == fold) {
        outside.push_back(rows[i]);
        places.push_back(static_cast<std::uint32_t>(i));
      } else {
        inside.push_back(rows[i]);
      }
    }
    if (outside.empty()) continue;
    SMIDGEN_CHECK(!inside.empty());
    SMIDGEN_ASSIGN(starts[fold], fit(inside, c, watcher, &starts[fold], options));
    fold_scores.resize(outside.size() * labels());
    score(starts[fold], outside, fold_scores);
    for (std::size_t i = 0; i < outside.size(); ++i) {
      std::copy_n(&fold_scores[i * labels()], labels(), &scores[places[i] * labels()]);
    }
  }
  return Ok{};
}

double HeadTrainer::objective(std::span<const std::uint32_t> rows, double c, std::span<const double> rotated,
                              std::vector<double>& gradient) const {
  const State& s = *state_;
  std::vector<std::uint32_t> all(s.labels);
  std::iota(all.begin(), all.end(), 0U);
  Objective objective(s.rotated, s.dimensions, s.truth, rows, std::move(all), s.penalty(c), nullptr, *s.pool);
  Objective::Point point;
  objective.evaluate(rotated, point);
  gradient = std::move(point.gradient);
  return point.value;
}

}  // namespace smidgen
