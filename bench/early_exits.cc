// What an exit after an inner layer is worth: accuracy out-of-fold of a head there, and the time of a row that leaves.
//
//   bench_early_exits ENCODER_FOLDER TRAIN.csv [f32|bf16|int8] [ROWS_MAX]
//
// One climb through the layers gives the vectors after each of them; a head is fitted on each in five folds of train
// rows (C by cross-validated log loss, as `train` does); no test row is read. Then rows go up as in a cascade of two:
// those that the head after layer L is surest of leave there, the others go on to the last without computing the lower
// layers again. "leaves": the share of rows surer than a threshold, each fold's threshold being the lowest with which
// all other folds' accuracy stays within half a point of the last exit's; "lost": the accuracy those that left cost
// over all rows, which may be more than half a point. "leaves_best": the same with one threshold chosen on the rows it
// is reported on, which promises more than new rows keep. Times are microseconds of processor time a row, one thread.
//
// Last, for the exits that `pick` tries: log loss at the best temperature and accuracy, both out-of-fold, of heads with
// shares 0, 0.3 .. 1 of the last head's answers in what they aim at (learn/exits.h).
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <numeric>
#include <string>
#include <vector>

#include "bench/need.h"
#include "smidgen/learn/exits.h"
#include "smidgen/learn/head_trainer.h"
#include "smidgen/learn/split.h"
#include "smidgen/learn/training_rows.h"
#include "smidgen/model/encoder.h"

namespace {

using namespace smidgen;  // NOLINT(google-build-using-namespace)

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

struct Exit {
  std::vector<float> scores;  // out-of-fold
  double accuracy = 0, us = 0;
  std::vector<float> confidence;
  std::vector<bool> right;
};

void judge(const TrainingRows& rows, Exit& exit) {
  const std::size_t labels = rows.label_count;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto first = exit.scores.begin() + static_cast<std::ptrdiff_t>(row * labels);
    const auto best = std::max_element(first, first + static_cast<std::ptrdiff_t>(labels));
    exit.confidence.push_back(*best);
    exit.right.push_back(static_cast<std::size_t>(best - first) == rows.labels[row]);
    exit.accuracy += exit.right.back() ? 1.0 / static_cast<double>(rows.size()) : 0;
  }
}

int cost(const Exit& early, const Exit& last, std::size_t row) {
  return (last.right[row] ? 1 : 0) - (early.right[row] ? 1 : 0);
}

// The lowest confidence at `early` from which on rows may leave with at most half a point lost over `of`; above 0 when
// none may (confidences are log-probabilities).
float threshold(const Exit& early, const Exit& last, std::vector<std::size_t> of) {
  std::stable_sort(of.begin(), of.end(),
                   [&](std::size_t a, std::size_t b) { return early.confidence[a] > early.confidence[b]; });
  double lost = 0;
  float lowest = 1;
  for (std::size_t i = 0; i < of.size(); ++i) {
    lost += cost(early, last, of[i]);
    const bool tied = i + 1 < of.size() && early.confidence[of[i + 1]] == early.confidence[of[i]];
    if (!tied && lost <= 0.005 * static_cast<double>(of.size())) lowest = early.confidence[of[i]];
  }
  return lowest;
}

void compare_shares(const TrainingRows& rows, const Encoder& encoder, ThreadPool& pool) {
  const std::vector<std::string_view> texts(rows.texts.begin(), rows.texts.end());
  const std::vector<std::size_t> exits = exit_layers(encoder.config().body.layers);
  const auto features = need(embed_exits(encoder, texts, exits, pool, {}));
  const EmbeddingMatrix last = need(embed_all(encoder, texts, pool, {}));
  const HeadTrainer trainer =
      need(HeadTrainer::create(last.values, last.dimensions, rows.labels, rows.label_count, pool));
  std::vector<std::uint32_t> all(rows.size());
  std::iota(all.begin(), all.end(), 0U);
  const HeadSearch search = need(trainer.cross_validate(all, rows.fold_of, rows.folds, default_head_c_grid(), {}));
  for (const double share : {0.0, 0.3, 0.5, 0.7, 1.0}) {
    const auto trained = need(train_exits(rows, features, {last, search.c, search.out_of_fold},
                                          {.teacher_share = share, .always = true, .c_grid = {}}, pool, {}));
    for (std::size_t i = 0; i < exits.size(); ++i) {
      const ScoreQuality quality = score_quality(trained[i].out_of_fold, rows.labels, rows.label_count);
      fmt::print("{{\"exit_after\": {}, \"teacher_share\": {}, \"accuracy\": {:.4f}, \"log_loss\": {:.4f}}}\n",
                 exits[i], share, quality.accuracy, quality.log_loss);
    }
  }
}

struct Leaving {
  double share = 0, lost = 0;
};

// Every fold's rows with the threshold that the rows of `others` of it give.
template <class Others>
Leaving leaving(const TrainingRows& rows, const Exit& early, const Exit& last, Others others) {
  Leaving out;
  for (std::size_t fold = 0; fold < rows.folds; ++fold) {
    std::vector<std::size_t> chosen_on;
    for (std::size_t row = 0; row < rows.size(); ++row)
      if (others(rows.fold_of[row] == fold)) chosen_on.push_back(row);
    const float from = threshold(early, last, chosen_on);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      if (rows.fold_of[row] != fold || early.confidence[row] < from) continue;
      out.share += 1.0 / static_cast<double>(rows.size());
      out.lost += cost(early, last, row) / static_cast<double>(rows.size());
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: bench_early_exits ENCODER_FOLDER TRAIN.csv [f32|bf16|int8] [ROWS_MAX]\n");
    return 64;
  }
  EncoderOptions options;
  options.precision = precision_by_name(argc > 3 ? argv[3] : "f32").value_or(Precision::kF32);
  const Encoder encoder = need(Encoder::load(argv[1], options));
  Dataset data = need(Dataset::load(argv[2], {}));
  if (argc > 4 && data.size() > std::strtoul(argv[4], nullptr, 10)) {
    std::vector<std::uint32_t> some(std::strtoul(argv[4], nullptr, 10));
    for (std::size_t i = 0; i < some.size(); ++i) some[i] = static_cast<std::uint32_t>(i * data.size() / some.size());
    data = select_rows(data, some);
  }
  SplitOptions split;
  split.certify_elsewhere = true;
  const TrainingRows rows = need(cut_training_rows(data, need(make_split(data, split)), 1));
  std::vector<std::vector<std::int32_t>> ids(rows.size());
  for (std::size_t row = 0; row < rows.size(); ++row)
    encoder.tokenizer().encode(rows.texts[row], encoder.tokens_max(), ids[row]);
  const std::vector<std::span<const std::int32_t>> sequences(ids.begin(), ids.end());

  const std::size_t layers = encoder.config().body.layers, n = encoder.dimensions();
  ThreadPool pool(1);
  Encoder::Scratch scratch;
  Encoder::Climb climb;
  encoder.start(sequences, climb);
  std::vector<std::uint32_t> all(rows.size());
  std::iota(all.begin(), all.end(), 0U);
  std::vector<Exit> exits(layers);
  std::vector<float> vectors(rows.size() * n);
  double us = 0;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const double start = cpu_seconds();
    encoder.climb(layer + 1, scratch, climb, vectors.data());
    us += 1e6 * (cpu_seconds() - start) / static_cast<double>(rows.size());
    exits[layer].us = us;
    const HeadTrainer trainer = need(HeadTrainer::create(vectors, n, rows.labels, rows.label_count, pool));
    exits[layer].scores =
        need(trainer.cross_validate(all, rows.fold_of, rows.folds, default_head_c_grid(), {})).out_of_fold;
    judge(rows, exits[layer]);
  }
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const Leaving cross = leaving(rows, exits[layer], exits.back(), [](bool own) { return !own; });
    const Leaving best = leaving(rows, exits[layer], exits.back(), [](bool) { return true; });
    fmt::print(
        "{{\"set\": \"{}\", \"rows\": {}, \"precision\": \"{}\", \"layers\": {}, \"accuracy\": {:.4f}, \"us\": {:.0f}, "
        "\"leaves\": {:.3f}, \"lost\": {:.4f}, \"leaves_best\": {:.3f}, \"us_cascade\": {:.0f}}}\n",
        argv[2], rows.size(), precision_name(encoder.precision()), layer + 1, exits[layer].accuracy, exits[layer].us,
        cross.share, cross.lost, best.share, cross.share * exits[layer].us + (1 - cross.share) * exits.back().us);
  }
  compare_shares(rows, encoder, pool);
  return 0;
}
