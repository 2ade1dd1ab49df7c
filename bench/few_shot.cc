// Contrastive fine-tuning from few labels (smidgen/learn/contrastive.h) beside the frozen encoder and full fine-tuning,
// on draws of TRAIN.csv judged on other rows of it: how settings are compared without a look at test rows.
//
//   bench_few_shot ENCODER_FOLDER TRAIN.csv [name=value ...]
//
// Names: shots (rows a label) draws judged seed threads tokens_max steps batch rate
// warm_up decay layer_decay dropout c names (rows that the name of a label is worth) full (epochs of full fine-tuning,
// 0 none). One JSON line.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "bench/need.h"
#include "smidgen/base/clock.h"
#include "smidgen/base/random.h"
#include "smidgen/learn/contrastive.h"
#include "smidgen/learn/embeddings.h"
#include "smidgen/learn/head_trainer.h"
#include "smidgen/text/dataset.h"

namespace {

using namespace smidgen;  // NOLINT(google-build-using-namespace)

struct Tally {
  std::vector<double> accuracy, loss;
};

// Mean and standard error.
std::string in_words(const std::vector<double>& values) {
  const double n = static_cast<double>(values.size()), mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return fmt::format("[{:.4f}, {:.4f}]", mean, n > 1 ? std::sqrt(squares / (n - 1) / n) : 0.0);
}

class Experiment {
 public:
  Experiment(const char* folder, const char* path, std::map<std::string, double> set)
      : set_(std::move(set)),
        folder_(folder),
        data_(need(Dataset::load(path, {}))),
        pool_(static_cast<std::size_t>(set_["threads"])),
        encoder_(need(Encoder::load(folder, {static_cast<std::size_t>(set_["tokens_max"]), nullptr}))) {}

  void run() {
    for (std::size_t draw = 0; draw < static_cast<std::size_t>(set_["draws"]); ++draw) one(draw);
    fmt::print("{{");
    for (const auto& [name, tally] : tallies_)
      fmt::print("\"{}\": {}, \"{} log loss\": {}, ", name, in_words(tally.accuracy), name, in_words(tally.loss));
    fmt::print("\"seconds\": {}}}\n", in_words(seconds_));
  }

 private:
  double value(const char* name, double otherwise) { return set_.contains(name) ? set_[name] : otherwise; }

  void one(std::size_t draw) {
    std::vector<std::uint32_t> order(data_.size());
    std::iota(order.begin(), order.end(), 0U);
    Random random(1000 * static_cast<std::uint64_t>(set_["seed"]) + draw);
    random.shuffle(std::span(order));
    std::vector<std::size_t> have(data_.label_names.size());
    TokenRows few, other;
    std::vector<std::string_view> few_texts;
    for (const std::uint32_t row : order) {
      const bool taken = have[data_.labels[row]] < static_cast<std::size_t>(set_["shots"]);
      if (!taken && other.ids.size() >= static_cast<std::size_t>(set_["judged"])) continue;
      TokenRows& rows = taken ? few : other;
      if (taken) ++have[data_.labels[row]];
      rows.ids.emplace_back();
      encoder_.tokenizer().encode(data_.texts[row], encoder_.tokens_max(), rows.ids.back());
      rows.labels.push_back(data_.labels[row]);
    }
    for (std::uint32_t label = 0; value("names", 0) > 0 && label < data_.label_names.size(); ++label) {
      std::string name = data_.label_names[label];
      std::replace(name.begin(), name.end(), '_', ' ');
      for (int copy = 0; copy < static_cast<int>(value("names", 0)); ++copy) {
        few.ids.emplace_back();
        encoder_.tokenizer().encode(name, encoder_.tokens_max(), few.ids.back());
        few.labels.push_back(label);
      }
    }
    Precision precision = TrainableEncoder::fast_precision(kernels());
    TrainableEncoder trainable = need(TrainableEncoder::load(folder_, precision, kernels(), pool_));
    const std::vector<float> before = judge("frozen", trainable, few, other, value("frozen_c", 16));
    const auto start = steady_now();
    ContrastOptions options;
    options.steps = static_cast<std::size_t>(value("steps", static_cast<double>(options.steps)));
    options.batch_rows = static_cast<std::size_t>(value("batch", static_cast<double>(options.batch_rows)));
    options.rate = value("rate", options.rate);
    options.warm_up = value("warm_up", options.warm_up);
    options.weight_decay = value("decay", options.weight_decay);
    options.layer_decay = value("layer_decay", options.layer_decay);
    options.dropout = value("dropout", options.dropout);
    options.seed = draw + 1;
    need(contrast(trainable, few, data_.label_names.size(), options, {}));
    seconds_.push_back(seconds_since(start));
    const std::vector<float> after = judge("moved", trainable, few, other, value("c", 4));
    std::vector<float> both(after.size());
    for (std::size_t i = 0; i < both.size(); ++i) both[i] = 0.5F * (before[i] + after[i]);
    count("average", both, other.labels);
    if (value("full", 0) > 0) full(few, other, options.seed);
  }

  void full(const TokenRows& few, const TokenRows& other, std::uint64_t seed) {
    Precision precision = TrainableEncoder::fast_precision(kernels());
    TrainableEncoder trainable = need(TrainableEncoder::load(folder_, precision, kernels(), pool_));
    SoftmaxHead head = fit(trainable, few, 16);
    FineTuneOptions options;
    options.epochs = static_cast<std::size_t>(set_["full"]);
    options.rate = value("full_rate", options.rate);
    options.head_rate = value("head_rate", options.head_rate);
    options.seed = seed;
    need(fine_tune(trainable, head, few, options, {}));
    count("full", score_rows(trainable, head, other.ids), other.labels);
  }

  SoftmaxHead fit(TrainableEncoder& trainable, const TokenRows& few, double c) {
    const std::vector<float> x = embed_rows(trainable, few.ids);
    const HeadTrainer heads =
        need(HeadTrainer::create(x, trainable.dimensions(), few.labels, data_.label_names.size(), pool_));
    std::vector<std::uint32_t> all(few.labels.size());
    std::iota(all.begin(), all.end(), 0U);
    return need(heads.fit(all, c, {})).head;
  }

  std::vector<float> judge(const std::string& name, TrainableEncoder& trainable, const TokenRows& few,
                           const TokenRows& other, double c) {
    std::vector<float> scores = score_rows(trainable, fit(trainable, few, c), other.ids);
    count(name, scores, other.labels);
    return scores;
  }

  void count(const std::string& name, const std::vector<float>& scores, const std::vector<std::uint32_t>& labels) {
    const ScoreQuality quality = score_quality(scores, labels, data_.label_names.size());
    tallies_[name].accuracy.push_back(quality.accuracy);
    tallies_[name].loss.push_back(quality.log_loss);
  }

  std::map<std::string, double> set_;
  std::string folder_;
  Dataset data_;
  ThreadPool pool_;
  Encoder encoder_;
  std::map<std::string, Tally> tallies_;
  std::vector<double> seconds_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    fmt::print(stderr, "usage: bench_few_shot ENCODER_FOLDER TRAIN.csv [name=value ...]\n");
    return 64;
  }
  std::map<std::string, double> set = {{"threads", 2}, {"seed", 1},  {"tokens_max", 128},
                                       {"draws", 5},   {"shots", 8}, {"judged", 500}};
  read_settings(set, {argv + 3, argv + argc},
                {"batch", "c", "decay", "dropout", "frozen_c", "full", "full_rate", "head_rate", "layer_decay", "names",
                 "rate", "steps", "warm_up"});
  Experiment(argv[1], argv[2], set).run();
  return 0;
}
