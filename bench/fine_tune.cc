// Full fine-tuning of an encoder on TRAIN.csv, judged on TEST.csv (columns text,label), beside its frozen form:
//
//   bench_fine_tune ENCODER_FOLDER TRAIN.csv TEST.csv|tune [name=value ...]
//
// `tune` instead of a test file holds out a seeded 15 % of the train rows: that is how settings are compared. Names:
// epochs rate head_rate warm_up decay layer_decay dropout smoothing seed threads tokens_max c batch bf16. One JSON
// line: accuracy frozen and after each epoch, with the seconds of training it took (scoring left out), and the answer
// to every test row. bench/fine_tune.py runs it beside PyTorch.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bench/need.h"
#include "smidgen/base/clock.h"
#include "smidgen/base/random.h"
#include "smidgen/learn/embeddings.h"
#include "smidgen/learn/fine_tune.h"
#include "smidgen/learn/head_trainer.h"
#include "smidgen/text/dataset.h"

namespace {

using namespace smidgen;  // NOLINT(google-build-using-namespace)

struct Rows {
  std::vector<std::string_view> texts;
  std::vector<std::uint32_t> labels;
};

double accuracy(std::span<const float> scores, std::span<const std::uint32_t> labels) {
  const std::size_t width = scores.size() / labels.size();
  std::size_t right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto row = scores.subspan(i * width, width);
    right += static_cast<std::size_t>(std::max_element(row.begin(), row.end()) - row.begin()) == labels[i] ? 1 : 0;
  }
  return static_cast<double>(right) / static_cast<double>(labels.size());
}

TokenRows tokens(const Encoder& encoder, const Rows& rows) {
  TokenRows out;
  out.labels = rows.labels;
  for (const std::string_view text : rows.texts) {
    out.ids.emplace_back();
    encoder.tokenizer().encode(text, encoder.tokens_max(), out.ids.back());
  }
  return out;
}

using Settings = std::map<std::string, double>;

struct Task {
  Rows train, test;
  std::vector<std::string> labels;
  Dataset data;
  std::optional<Dataset> held;  // what `test` points into
};

Task load_task(const std::string& train_path, const std::string& test_path, std::uint64_t seed) {
  Task task{{}, {}, {}, need(Dataset::load(train_path, {})), std::nullopt};
  const Dataset& data = task.data;
  task.labels = data.label_names;
  if (test_path == "tune") {
    std::vector<std::uint32_t> order(data.size());
    std::iota(order.begin(), order.end(), 0U);
    Random(seed).shuffle(std::span(order));
    for (std::size_t i = 0; i < order.size(); ++i) {
      Rows& rows = i < order.size() * 15 / 100 ? task.test : task.train;
      rows.texts.push_back(data.texts[order[i]]);
      rows.labels.push_back(data.labels[order[i]]);
    }
    return task;
  }
  task.train = {{data.texts.begin(), data.texts.end()}, data.labels};
  task.held = need(Dataset::load(test_path, {}));
  for (std::size_t i = 0; i < task.held->size(); ++i) {
    const std::string& name = task.held->label_names[task.held->labels[i]];
    auto at = std::lower_bound(task.labels.begin(), task.labels.end(), name);
    if (at != task.labels.end() && *at != name) at = task.labels.end();  // no answer is right
    task.test.texts.push_back(task.held->texts[i]);
    task.test.labels.push_back(static_cast<std::uint32_t>(at - task.labels.begin()));
  }
  return task;
}

FineTuneOptions options_of(Settings& set) {
  FineTuneOptions options;
  const auto value = [&](const char* name, double otherwise) { return set.contains(name) ? set[name] : otherwise; };
  options.epochs = static_cast<std::size_t>(value("epochs", 6));
  options.batch_rows = static_cast<std::size_t>(value("batch", 32));
  options.rate = value("rate", options.rate);
  options.head_rate = value("head_rate", options.head_rate);
  options.warm_up = value("warm_up", options.warm_up);
  options.weight_decay = value("decay", options.weight_decay);
  options.layer_decay = value("layer_decay", options.layer_decay);
  options.dropout = value("dropout", options.dropout);
  options.label_smoothing = value("smoothing", options.label_smoothing);
  options.seed = static_cast<std::uint64_t>(set["seed"]);
  return options;
}

std::vector<std::size_t> answers_of(std::span<const float> scores, std::size_t labels) {
  std::vector<std::size_t> answers;
  for (std::size_t i = 0; i < scores.size(); i += labels)
    answers.push_back(
        static_cast<std::size_t>(std::max_element(scores.begin() + static_cast<std::ptrdiff_t>(i),
                                                  scores.begin() + static_cast<std::ptrdiff_t>(i + labels)) -
                                 scores.begin() - static_cast<std::ptrdiff_t>(i)));
  return answers;
}

// `before`: seconds of what came before the first step.
std::string epochs_json(std::span<const FineTuneEpoch> epochs, double before) {
  std::string text;
  for (const FineTuneEpoch& epoch : epochs)
    text += fmt::format("{}{{\"loss\": {:.4f}, \"accuracy\": {:.5f}, \"seconds\": {:.2f}}}", text.empty() ? "" : ", ",
                        epoch.loss, epoch.held_accuracy, before + epoch.seconds);
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: bench_fine_tune ENCODER_FOLDER TRAIN.csv TEST.csv|tune [name=value ...]\n");
    return 64;
  }
  Settings set = {{"threads", 2}, {"seed", 1}, {"tokens_max", 128}, {"c", 16}};
  read_settings(
      set, {argv + 4, argv + argc},
      {"batch", "decay", "dropout", "epochs", "head_rate", "layer_decay", "rate", "smoothing", "warm_up", "bf16"});
  const Task task = load_task(argv[2], argv[3], static_cast<std::uint64_t>(set["seed"]));
  const auto started = steady_now();
  ThreadPool pool(static_cast<std::size_t>(set["threads"]));
  const Encoder encoder = need(Encoder::load(argv[1], {static_cast<std::size_t>(set["tokens_max"]), nullptr}));
  const EmbeddingMatrix frozen = need(embed_all(encoder, task.train.texts, pool, {}));
  const HeadTrainer heads =
      need(HeadTrainer::create(frozen.values, frozen.dimensions, task.train.labels, task.labels.size(), pool));
  std::vector<std::uint32_t> all(task.train.labels.size());
  std::iota(all.begin(), all.end(), 0U);
  SoftmaxHead head = need(heads.fit(all, set["c"], {})).head;

  Precision precision = TrainableEncoder::fast_precision(kernels());
  if (set.contains("bf16")) precision = set["bf16"] > 0 ? Precision::kBf16 : Precision::kF32;
  TrainableEncoder trainable = need(TrainableEncoder::load(argv[1], precision, kernels(), pool));
  const TokenRows train = tokens(encoder, task.train), test = tokens(encoder, task.test);
  const double head_seconds = seconds_since(started);  // what comes before the first step is part of the method
  const double before = accuracy(score_rows(trainable, head, test.ids), task.test.labels);
  FineTuneOptions options = options_of(set);
  options.held = &test;  // scored after each epoch; nothing depends on what comes out
  Watcher watcher;
  auto said = steady_now();
  watcher.progress = [&](const ProgressEvent& event) {
    if (seconds_since(said) < 10) return;
    said = steady_now();
    fmt::print(stderr, "{:.0f} % {}\n", 100 * event.fraction, event.detail);
  };
  const FineTuneReport report = need(fine_tune(trainable, head, train, options, watcher));
  const std::vector<float> scores = score_rows(trainable, head, test.ids);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print(
      "{{\"frozen\": {:.5f}, \"accuracy\": {:.5f}, \"seconds\": {:.2f}, \"head_seconds\": {:.2f}, \"steps\": {}, "
      "\"peak_mb\": {}, \"isa\": \"{}\", \"precision\": \"{}\", \"epochs\": [{}], \"answers\": [{}], "
      "\"truth\": [{}]}}\n",
      before, accuracy(scores, task.test.labels), head_seconds + report.seconds, head_seconds, report.steps,
      usage.ru_maxrss / 1024, kernels().name, precision_name(precision), epochs_json(report.epochs, head_seconds),
      fmt::join(answers_of(scores, task.labels.size()), ", "), fmt::join(task.test.labels, ", "));
  return 0;
}
