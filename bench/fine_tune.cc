// Full fine-tuning of an encoder on TRAIN.csv, judged on TEST.csv (columns text,label), beside its frozen form:
//
//   bench_fine_tune ENCODER_FOLDER TRAIN.csv TEST.csv|tune [name=value ...]
//
// `tune` instead of a test file holds out a seeded 15 % of the train rows: that is how settings are compared. Names:
// epochs rate head_rate warm_up decay layer_decay dropout smoothing seed threads tokens_max c batch bf16. One JSON
// line.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <numeric>
#include <string>
#include <vector>

#include "smidgen/base/random.h"
#include "smidgen/learn/embeddings.h"
#include "smidgen/learn/fine_tune.h"
#include "smidgen/learn/head_trainer.h"
#include "smidgen/text/dataset.h"

namespace {

using namespace smidgen;  // NOLINT(google-build-using-namespace)

template <class T>
T need(Result<T> result) {
  if (!result.ok()) {
    fmt::print(stderr, "{}\n", result.error().message());
    std::exit(result.error().exit_code());
  }
  return std::move(result).value();
}

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

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

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr, "usage: bench_fine_tune ENCODER_FOLDER TRAIN.csv TEST.csv|tune [name=value ...]\n");
    return 64;
  }
  std::map<std::string, double> set = {{"threads", 2}, {"seed", 1}, {"tokens_max", 128}, {"c", 16}};
  for (int i = 4; i < argc; ++i) {
    const std::string text = argv[i];
    const std::size_t at = text.find('=');
    set[text.substr(0, at)] = std::atof(text.substr(at + 1).c_str());
  }
  const auto value = [&](const char* name, double otherwise) { return set.contains(name) ? set[name] : otherwise; };
  const std::uint64_t seed = static_cast<std::uint64_t>(set["seed"]);

  const Dataset data = need(Dataset::load(argv[2], {}));
  Rows train, test;
  std::optional<Dataset> held;
  if (std::string(argv[3]) == "tune") {
    std::vector<std::uint32_t> order(data.size());
    std::iota(order.begin(), order.end(), 0U);
    Random(seed).shuffle(std::span(order));
    for (std::size_t i = 0; i < order.size(); ++i) {
      Rows& rows = i < order.size() * 15 / 100 ? test : train;
      rows.texts.push_back(data.texts[order[i]]);
      rows.labels.push_back(data.labels[order[i]]);
    }
  } else {
    train = {{data.texts.begin(), data.texts.end()}, data.labels};
    held = need(Dataset::load(argv[3], {}));
    for (std::size_t i = 0; i < held->size(); ++i) {
      const auto& names = data.label_names;
      const auto at = std::lower_bound(names.begin(), names.end(), held->label_names[held->labels[i]]);
      test.texts.push_back(held->texts[i]);
      test.labels.push_back(static_cast<std::uint32_t>(at - names.begin()));
    }
  }
  ThreadPool pool(static_cast<std::size_t>(set["threads"]));
  const Encoder encoder = need(Encoder::load(argv[1], {static_cast<std::size_t>(set["tokens_max"]), nullptr}));
  const EmbeddingMatrix frozen = need(embed_all(encoder, train.texts, pool, {}));
  const HeadTrainer heads =
      need(HeadTrainer::create(frozen.values, frozen.dimensions, train.labels, data.label_names.size(), pool));
  std::vector<std::uint32_t> all(train.labels.size());
  std::iota(all.begin(), all.end(), 0U);
  SoftmaxHead head = need(heads.fit(all, set["c"], {})).head;

  Precision precision = TrainableEncoder::fast_precision(kernels());
  if (set.contains("bf16")) precision = set["bf16"] > 0 ? Precision::kBf16 : Precision::kF32;
  TrainableEncoder trainable = need(TrainableEncoder::load(argv[1], precision, kernels(), pool));
  const TokenRows train_tokens = tokens(encoder, train), test_tokens = tokens(encoder, test);
  const double before = accuracy(score_rows(trainable, head, test_tokens.ids), test.labels);
  FineTuneOptions options;
  options.epochs = static_cast<std::size_t>(value("epochs", 6));
  options.batch_rows = static_cast<std::size_t>(value("batch", 32));
  options.rate = value("rate", options.rate);
  options.head_rate = value("head_rate", options.head_rate);
  options.warm_up = value("warm_up", options.warm_up);
  options.weight_decay = value("decay", options.weight_decay);
  options.layer_decay = value("layer_decay", options.layer_decay);
  options.dropout = value("dropout", options.dropout);
  options.label_smoothing = value("smoothing", options.label_smoothing);
  options.seed = seed;
  Watcher watcher;
  double said = seconds();
  watcher.progress = [&](const ProgressEvent& event) {
    if (seconds() - said < 10) return;
    said = seconds();
    fmt::print(stderr, "{:.0f} % {}\n", 100 * event.fraction, event.detail);
  };
  const FineTuneReport report = need(fine_tune(trainable, head, train_tokens, options, watcher));
  const double after = accuracy(score_rows(trainable, head, test_tokens.ids), test.labels);
  fmt::print(
      "{{\"frozen\": {:.4f}, \"tuned\": {:.4f}, \"seconds\": {:.1f}, \"rows_per_second\": {:.0f}, \"steps\": {}, "
      "\"loss\": [",
      before, after, report.seconds, report.rows_per_second, report.steps);
  for (const FineTuneEpoch& epoch : report.epochs) fmt::print("{}{:.3f}", epoch.epoch == 1 ? "" : ", ", epoch.loss);
  fmt::print("]}}\n");
  return 0;
}
