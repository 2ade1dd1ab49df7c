// Accuracy and time of the two rungs that share an encoder, `encoder` (frozen, with a softmax head) and `static`
// (distilled, with a softmax head), on pairs of files with columns text,label:
//
//   bench_heads ENCODER_FOLDER TOKENS_MAX THREADS PREFIX...      reads PREFIX.train.csv and PREFIX.test.csv
//
// C is chosen by cross-validation in seeded folds, then the head is fitted on all train rows; the test file is opened
// last.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "bench/need.h"
#include "smidgen/base/clock.h"
#include "smidgen/base/random.h"
#include "smidgen/learn/distill.h"
#include "smidgen/learn/head_trainer.h"
#include "smidgen/text/record_reader.h"

namespace {

using namespace smidgen;  // NOLINT(google-build-using-namespace)

constexpr std::size_t kFolds = 5;

struct Rows {
  std::vector<std::string> texts, labels;
  std::vector<std::string_view> views() const { return {texts.begin(), texts.end()}; }
};

Rows read(const std::string& path) {
  ReadOptions options;
  options.label_column = "label";
  const auto reader = need(RecordReader::open(path, options));
  Rows rows;
  Record record;
  while (need(reader->next(record))) {
    if (record.error) continue;
    rows.texts.push_back(record.text);
    rows.labels.push_back(record.label);
  }
  return rows;
}

struct Task {
  std::vector<std::string> labels;
  std::vector<std::uint32_t> truth, all, fold;
};

Task divide(const Rows& train) {
  Task task;
  task.labels = train.labels;
  std::sort(task.labels.begin(), task.labels.end());
  task.labels.erase(std::unique(task.labels.begin(), task.labels.end()), task.labels.end());
  for (const std::string& label : train.labels) {
    const auto place = std::lower_bound(task.labels.begin(), task.labels.end(), label);
    task.truth.push_back(static_cast<std::uint32_t>(place - task.labels.begin()));
  }
  task.all.resize(train.texts.size());
  std::iota(task.all.begin(), task.all.end(), 0U);
  std::vector<std::uint32_t> order = task.all;
  Random(1).shuffle(std::span(order));
  task.fold.resize(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) task.fold[order[i]] = static_cast<std::uint32_t>(i % kFolds);
  return task;
}

struct Head {
  HeadFit fit;
  double prepare = 0, search = 0, refit = 0;
};

Head train(const Task& task, const EmbeddingMatrix& features, ThreadPool& pool) {
  Head head;
  auto start = steady_now();
  const HeadTrainer trainer =
      need(HeadTrainer::create(features.values, features.dimensions, task.truth, task.labels.size(), pool));
  head.prepare = seconds_since(start);
  start = steady_now();
  const HeadSearch search = need(trainer.cross_validate(task.all, task.fold, kFolds, default_head_c_grid(), {}));
  head.search = seconds_since(start);
  start = steady_now();
  head.fit = need(trainer.fit(task.all, search.c, {}));
  head.refit = seconds_since(start);
  return head;
}

double accuracy(const SoftmaxHead& head, const Task& task, const EmbeddingMatrix& features, const Rows& test) {
  std::vector<float> scores(head.labels);
  std::size_t right = 0;
  for (std::size_t i = 0; i < features.rows; ++i) {
    head.log_probabilities(features.row(i), scores);
    const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();
    if (task.labels[static_cast<std::size_t>(best)] == test.labels[i]) ++right;
  }
  return static_cast<double>(right) / static_cast<double>(features.rows);
}

void print(const char* rung, const std::string& name, const Head& head, double embed_seconds, double score) {
  fmt::print(
      "{:8} {:40} accuracy {:.4f}  C {:<5} passes {:3}  embed {:6.2f} s  prepare {:5.2f}  search {:5.2f}  "
      "refit {:5.2f}\n",
      rung, name, score, head.fit.c, head.fit.passes, embed_seconds, head.prepare, head.search, head.refit);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    fmt::print(stderr, "usage: bench_heads ENCODER_FOLDER TOKENS_MAX THREADS PREFIX...\n");
    return 64;
  }
  ThreadPool pool(static_cast<std::size_t>(std::max(1, std::atoi(argv[3]))));
  EncoderOptions options;
  options.tokens_max = static_cast<std::size_t>(std::atoi(argv[2]));
  const Encoder encoder = need(Encoder::load(argv[1], options));
  auto start = steady_now();
  const char* cache = std::getenv("SMIDGEN_DISTILL_CACHE");  // for repeated runs; unset: distilled every time
  DistillOptions distilling;
  distilling.cache_folder = cache == nullptr ? "" : cache;
  const StaticModel model = need(StaticModel::create(need(distill(encoder, distilling, pool, {})), argv[1]));
  fmt::print("distilled {} x {} in {:.1f} s\n", model.table().vocabulary, model.table().dimensions,
             seconds_since(start));
  const bool with_encoder = std::getenv("SMIDGEN_STATIC_ONLY") == nullptr;
  for (int i = 4; i < argc; ++i) {
    const std::string prefix = argv[i], name = prefix.substr(prefix.find_last_of('/') + 1);
    const Rows train_rows = read(prefix + ".train.csv");
    const Task task = divide(train_rows);
    start = steady_now();
    const EmbeddingMatrix light = need(embed_all(model, train_rows.views(), pool, {}));
    const double light_seconds = seconds_since(start);
    const Head light_head = train(task, light, pool);
    start = steady_now();
    double deep_seconds = 0;
    EmbeddingMatrix deep;
    Head deep_head;
    if (with_encoder) {
      deep = need(embed_all(encoder, train_rows.views(), pool, {}));
      deep_seconds = seconds_since(start);
      deep_head = train(task, deep, pool);
    }
    const Rows test = read(prefix + ".test.csv");
    print("static", name, light_head, light_seconds,
          accuracy(light_head.fit.head, task, need(embed_all(model, test.views(), pool, {})), test));
    if (!with_encoder) continue;
    print("encoder", name, deep_head, deep_seconds,
          accuracy(deep_head.fit.head, task, need(embed_all(encoder, test.views(), pool, {})), test));
  }
  return 0;
}
