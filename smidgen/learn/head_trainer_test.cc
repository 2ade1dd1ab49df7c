#include "smidgen/learn/head_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "smidgen/base/json.h"
#include "smidgen/base/random.h"

namespace smidgen {
namespace {

struct Problem {
  std::size_t rows = 0, dimensions = 0, labels = 0;
  std::vector<float> x;
  std::vector<std::uint32_t> y, all;
};

// Clusters on a shifted, stretched cloud, so that centring and rotation have something to do.
Problem make_problem(std::size_t rows, std::size_t dimensions, std::size_t labels, std::uint64_t seed) {
  Random random(seed);
  Problem p{rows, dimensions, labels, {}, {}, {}};
  std::vector<double> centres(labels * dimensions);
  for (double& value : centres) value = random.normal();
  for (std::size_t i = 0; i < rows; ++i) {
    const std::size_t label = i < labels ? i : random.below(labels);
    p.y.push_back(static_cast<std::uint32_t>(label));
    const double common = random.normal();
    for (std::size_t j = 0; j < dimensions; ++j) {
      const double stretch = 1 / (1 + 0.3 * static_cast<double>(j));
      p.x.push_back(
          static_cast<float>(0.7 + stretch * (centres[label * dimensions + j] + random.normal()) + 0.5 * common));
    }
  }
  p.all.resize(rows);
  std::iota(p.all.begin(), p.all.end(), 0U);
  return p;
}

HeadTrainer trainer_for(const Problem& p, ThreadPool& pool) {
  auto trainer = HeadTrainer::create(p.x, p.dimensions, p.y, p.labels, pool);
  EXPECT_TRUE(trainer.ok());
  return std::move(trainer).value();
}

// A row with a soft target is as good as copies of it, one for each label, weighted by its shares: same optimum.
TEST(HeadTrainer, SoftTargetsActAsWeightedCopies) {
  const Problem p = make_problem(60, 5, 3, 3);
  ThreadPool pool(2);
  FitTargets soft, copies;
  Problem many{180, 5, 3, {}, {}, {}};
  std::vector<SoftLabel> entries;
  for (std::size_t row = 0; row < 60; ++row) {
    const float top = 0.4F + 0.5F * static_cast<float>(row) / 60.0F, weight = row % 7 == 0 ? 0.0F : 2.0F;
    entries.clear();
    for (std::uint32_t label = 0; label < 3; ++label) {
      entries.push_back({label, label == p.y[row] ? top : (1 - top) / 2});
      many.y.push_back(label);
      many.all.push_back(static_cast<std::uint32_t>(many.all.size()));
      copies.weights.push_back(weight * entries.back().share);
      many.x.insert(many.x.end(), p.x.begin() + static_cast<std::ptrdiff_t>(row * 5),
                    p.x.begin() + static_cast<std::ptrdiff_t>((row + 1) * 5));
    }
    soft.soft.add_row(entries);
    soft.weights.push_back(weight);
  }
  HeadOptions options, options_of_copies;
  options.targets = &soft;
  options_of_copies.targets = &copies;
  options.tolerance = options_of_copies.tolerance = 1e-9;
  const auto one = trainer_for(p, pool).fit(p.all, 4, {}, nullptr, options);
  const auto other = trainer_for(many, pool).fit(many.all, 4, {}, nullptr, options_of_copies);
  ASSERT_TRUE(one.ok() && other.ok());
  EXPECT_TRUE(one->converged && other->converged);
  EXPECT_NEAR(one->objective, other->objective, 1e-4 * other->objective);
  for (std::size_t i = 0; i < one->head.weights.size(); ++i)
    EXPECT_NEAR(one->head.weights[i], other->head.weights[i], 5e-3);
}

TEST(HeadTrainer, GradientMatchesFiniteDifferences) {
  const Problem p = make_problem(50, 6, 4, 1);
  ThreadPool pool(2);
  const HeadTrainer trainer = trainer_for(p, pool);
  Random random(2);
  std::vector<double> theta(p.labels * (p.dimensions + 1)), gradient, ignored;
  for (double& value : theta) value = 0.3 * random.normal();
  trainer.objective(p.all, 2.0, theta, gradient);
  for (std::size_t i = 0; i < theta.size(); ++i) {
    const double step = 1e-2, here = theta[i];
    theta[i] = here + step;
    const double above = trainer.objective(p.all, 2.0, theta, ignored);
    theta[i] = here - step;
    const double below = trainer.objective(p.all, 2.0, theta, ignored);
    theta[i] = here;
    EXPECT_NEAR(gradient[i], (above - below) / (2 * step), 2e-3) << i;
  }
}

simdjson::dom::array array_of(simdjson::dom::element object, const char* key) {
  return object[key].get_array().value();
}

TEST(HeadTrainer, ReachesTheOptimumOfScikitLearn) {
  const auto document =
      JsonDocument::load(std::string(SMIDGEN_SOURCE_DIR) + "/tests/golden/head.json", std::uint64_t{1} << 20);
  ASSERT_TRUE(document.ok());
  ThreadPool pool(2);
  std::size_t cases = 0;
  for (const simdjson::dom::element item : array_of(document->root(), "cases")) {
    Problem p;
    p.rows = item["rows"].get_uint64().value();
    p.dimensions = item["dimensions"].get_uint64().value();
    p.labels = item["labels"].get_uint64().value();
    for (const auto value : array_of(item, "x")) p.x.push_back(static_cast<float>(value.get_double().value()));
    for (const auto value : array_of(item, "y")) {
      p.y.push_back(static_cast<std::uint32_t>(value.get_uint64().value()));
    }
    p.all.resize(p.rows);
    std::iota(p.all.begin(), p.all.end(), 0U);
    HeadOptions options;
    options.tolerance = 1e-11;
    const auto fit = trainer_for(p, pool).fit(p.all, item["c"].get_double().value(), {}, nullptr, options);
    ASSERT_TRUE(fit.ok());
    std::vector<float> out(p.labels);
    std::size_t i = 0;
    for (const auto value : array_of(item, "log_probabilities")) {
      if (i % p.labels == 0) {
        fit->head.log_probabilities(std::span(p.x).subspan(i / p.labels * p.dimensions, p.dimensions), out);
      }
      const double wanted = value.get_double().value();
      EXPECT_NEAR(out[i % p.labels], wanted, 2e-4 * std::max(1.0, -wanted)) << "case " << cases << " value " << i;
      ++i;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 4U);
}

TEST(HeadTrainer, SameBitsForAnyNumberOfThreads) {
  const Problem p = make_problem(700, 24, 5, 3);
  std::vector<float> weights, scores;
  for (const std::size_t threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    const HeadTrainer trainer = trainer_for(p, pool);
    const auto fit = trainer.fit(p.all, 4, {});
    ASSERT_TRUE(fit.ok());
    std::vector<float> now(p.rows * p.labels);
    trainer.score(*fit, p.all, now);
    if (threads > 1) {
      EXPECT_EQ(fit->head.weights, weights);
      EXPECT_EQ(now, scores);
    }
    weights = fit->head.weights;
    scores = now;
  }
}

TEST(HeadTrainer, WarmAndColdStartsMeet) {
  const Problem p = make_problem(400, 16, 4, 4);
  ThreadPool pool(2);
  const HeadTrainer trainer = trainer_for(p, pool);
  HeadOptions options;
  options.tolerance = 1e-9;
  const auto low = trainer.fit(p.all, 1, {}, nullptr, options);
  const auto cold = trainer.fit(p.all, 16, {}, nullptr, options);
  const auto warm = trainer.fit(p.all, 16, {}, &*low, options);
  ASSERT_TRUE(warm.ok());
  EXPECT_TRUE(cold->converged && warm->converged);
  EXPECT_NEAR(cold->objective, warm->objective, 1e-4);
  std::vector<float> a(p.rows * p.labels), b(a.size());
  trainer.score(*cold, p.all, a);
  trainer.score(*warm, p.all, b);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(std::exp(a[i]), std::exp(b[i]), 2e-3);
}

TEST(HeadTrainer, FoldedHeadScoresRawFeaturesAsTheFitDoes) {
  const Problem p = make_problem(120, 10, 3, 5);
  ThreadPool pool(1);
  const HeadTrainer trainer = trainer_for(p, pool);
  const auto fit = trainer.fit(p.all, 8, {});
  ASSERT_TRUE(fit.ok());
  std::vector<float> scores(p.rows * p.labels), own(p.labels);
  trainer.score(*fit, p.all, scores);
  for (std::size_t i = 0; i < p.rows; ++i) {
    fit->head.log_probabilities(std::span(p.x).subspan(i * p.dimensions, p.dimensions), own);
    for (std::size_t k = 0; k < p.labels; ++k) EXPECT_NEAR(own[k], scores[i * p.labels + k], 1e-4);
  }
}

TEST(HeadTrainer, OutOfFoldScoresNeverSeeTheirOwnLabels) {
  Problem p = make_problem(200, 8, 3, 6);
  ThreadPool pool(2);
  std::vector<std::uint32_t> fold(p.rows);
  for (std::size_t i = 0; i < p.rows; ++i) fold[i] = static_cast<std::uint32_t>(i % 4);
  const std::vector<double> one_c = {2};
  const auto search_before = trainer_for(p, pool).cross_validate(p.all, fold, 4, one_c, {});
  ASSERT_TRUE(search_before.ok());
  const std::vector<float>& before = search_before->out_of_fold;
  for (std::size_t i = 1; i < p.rows; i += 4) p.y[i] = (p.y[i] + 1) % 3;  // fold 1 only
  const auto search_after = trainer_for(p, pool).cross_validate(p.all, fold, 4, one_c, {});
  ASSERT_TRUE(search_after.ok());
  const std::vector<float>& after = search_after->out_of_fold;
  std::size_t changed = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    if (fold[i / 3] == 1) {
      EXPECT_EQ(before[i], after[i]) << i;
    } else {
      changed += before[i] != after[i];
    }
  }
  EXPECT_GT(changed, 300U);
}

TEST(HeadTrainer, LabelsMissingFromAFoldStayFinite) {
  Problem p = make_problem(60, 4, 3, 7);
  for (auto& label : p.y) label = label == 2 ? 0 : label;
  p.y[10] = 2;   // one row only: missing when its fold is held out
  p.labels = 4;  // and label 3 has none at all
  ThreadPool pool(1);
  std::vector<std::uint32_t> fold(p.rows);
  for (std::size_t i = 0; i < p.rows; ++i) fold[i] = static_cast<std::uint32_t>(i % 5);
  const std::vector<double> one_c = {4};
  const auto search = trainer_for(p, pool).cross_validate(p.all, fold, 5, one_c, {});
  ASSERT_TRUE(search.ok());
  EXPECT_EQ(search->c, 4);
  const std::vector<float>& scores = search->out_of_fold;
  for (std::size_t i = 0; i < p.rows; ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      EXPECT_GE(scores[i * 4 + k], kLogProbabilityMin);
      sum += std::exp(static_cast<double>(scores[i * 4 + k]));
    }
    EXPECT_NEAR(sum, 1, 1e-5);
    EXPECT_LT(scores[i * 4 + 3], std::log(0.3)) << "a label nobody saw";
  }
}

TEST(HeadTrainer, ChoosesCByHeldOutRows) {
  // Two informative axes among forty of noise: strong regularisation must win over none.
  Random random(8);
  Problem p{240, 42, 2, {}, {}, {}};
  for (std::size_t i = 0; i < p.rows; ++i) {
    p.y.push_back(static_cast<std::uint32_t>(i % 2));
    for (std::size_t j = 0; j < p.dimensions; ++j) {
      p.x.push_back(static_cast<float>(random.normal() + (j < 2 && i % 2 == 1 ? 1.0 : 0.0)));
    }
  }
  p.all.resize(p.rows);
  std::iota(p.all.begin(), p.all.end(), 0U);
  ThreadPool pool(2);
  const HeadTrainer trainer = trainer_for(p, pool);
  const std::vector<double> grid = {0.001, 0.01, 0.1, 1, 1000, 10000};
  std::vector<std::uint32_t> fold(p.rows);
  for (std::size_t i = 0; i < p.rows; ++i) fold[i] = static_cast<std::uint32_t>(i / 2 % 5);
  const auto search = trainer.cross_validate(p.all, fold, 5, grid, {});
  ASSERT_TRUE(search.ok());
  EXPECT_LE(search->c, 1);
  EXPECT_GE(search->tried.size(), 3U);
  EXPECT_LT(search->tried.size(), grid.size()) << "two worse points in a row end the search";
  const HeadPoint& chosen =
      *std::find_if(search->tried.begin(), search->tried.end(), [&](const HeadPoint& q) { return q.c == search->c; });
  for (const HeadPoint& point : search->tried) EXPECT_LE(chosen.quality.log_loss, point.quality.log_loss);
  EXPECT_EQ(score_quality(search->out_of_fold, p.y, 2).log_loss, chosen.quality.log_loss);
}

TEST(HeadTrainer, StopsWhenCancelled) {
  const Problem p = make_problem(300, 12, 4, 9);
  ThreadPool pool(1);
  const HeadTrainer trainer = trainer_for(p, pool);
  Watcher watcher;
  int asked = 0;
  watcher.cancelled = [&] { return ++asked > 3; };
  const auto fit = trainer.fit(p.all, 100, watcher);
  ASSERT_FALSE(fit.ok());
  EXPECT_EQ(fit.error().kind(), ErrorKind::kCancelled);
  EXPECT_EQ(asked, 4);
}

TEST(HeadTrainer, NamesTheRowOfANonFiniteFeature) {
  Problem p = make_problem(20, 3, 2, 10);
  p.x[7 * 3 + 2] = std::numeric_limits<float>::infinity();
  ThreadPool pool(1);
  const auto trainer = HeadTrainer::create(p.x, 3, p.y, 2, pool);
  ASSERT_FALSE(trainer.ok());
  EXPECT_EQ(trainer.error().message(), "feature 2 of row 7 is not a finite number; check the encoder's weights");
}

TEST(HeadTrainer, ConstantFeaturesAndOneLabelAreFine) {
  Problem p = make_problem(30, 5, 2, 11);
  std::fill(p.x.begin(), p.x.end(), 0.25F);
  ThreadPool pool(1);
  auto fit = trainer_for(p, pool).fit(p.all, 1, {});
  ASSERT_TRUE(fit.ok());
  std::vector<float> out(2);
  fit->head.log_probabilities(std::span(p.x).first(5), out);
  const auto ones = static_cast<double>(std::count(p.y.begin(), p.y.end(), 1U));
  EXPECT_NEAR(std::exp(out[1]), ones / 30, 1e-3);
  std::fill(p.y.begin(), p.y.end(), 0U);
  p.labels = 1;
  fit = trainer_for(p, pool).fit(p.all, 1, {});
  ASSERT_TRUE(fit.ok());
  std::vector<float> one(1);
  fit->head.log_probabilities(std::span(p.x).first(5), one);
  EXPECT_EQ(one[0], 0);
}

}  // namespace
}  // namespace smidgen
