// The linear rung from open files to answers: trains on one file, reports on another.
//
//   bench_linear TRAIN.csv TEST.csv [--c C | --search] [--threads N] [--seed S] [--out FOLDER] [--seconds S]
//                [--predictions FILE]
//
// Times are wall-clock from opening the training file to the saved model (`total_seconds`), the same in processor time
// (`total_cpu_seconds`), and rows a second of processor time for prediction, one thread, text in memory.
// --c: one fixed C, words + characters, nothing pruned (the scikit-learn pipeline's settings). --search (default): C,
// features and pruning chosen as `train` does, then fitted on all of the training file. The test file is
// read after training is finished. Prints one JSON object.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>

#include "smidgen/base/file.h"
#include "smidgen/learn/linear_trainer.h"
#include "smidgen/learn/training_rows.h"
#include "smidgen/text/dataset.h"

namespace smidgen {
namespace {

struct Arguments {
  std::string train, test, out, predictions;
  double c = 0;  // 0: search
  double seconds = 1;
  std::size_t threads = 1;
  std::uint64_t seed = 0;
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

Result<Dataset> read(const std::string& path) {
  ReadOptions options;
  options.label_column = "label";
  return Dataset::load(path, options);
}

// Trains on all of `train`; with a search first when no C is given.
Result<std::unique_ptr<LinearRung>> trained(const Arguments& arguments, const Dataset& train,
                                            LinearSettings& settings) {
  ThreadPool pool(arguments.threads);
  SMIDGEN_ASSIGN(LinearTrainer trainer,
                 LinearTrainer::create(train.texts, train.labels, train.label_names.size(), pool, {}));
  settings.c = arguments.c;
  settings.seed = arguments.seed;
  if (arguments.c == 0) {
    SplitOptions split_options;
    split_options.certify_elsewhere = true;
    split_options.seed = arguments.seed;
    SMIDGEN_ASSIGN(const Split split, make_split(train, split_options));
    SMIDGEN_ASSIGN(const TrainingRows cut, cut_training_rows(train, split, arguments.seed));
    LinearSearchOptions options;
    options.seed = arguments.seed;
    SMIDGEN_ASSIGN(const LinearChoice choice,
                   trainer.choose(cut.dataset_rows, cut.fold_of, cut.folds, split.tune, options, {}));
    settings = choice.settings;
  }
  std::vector<std::uint32_t> rows(train.size());
  for (std::uint32_t i = 0; i < rows.size(); ++i) rows[i] = i;
  return trainer.fit(rows, settings, {});
}

// `predictions` gets one label a line.
double accuracy(const LinearRung& rung, const Dataset& train, const Dataset& test, std::string& predictions) {
  const auto scratch = rung.make_scratch();
  std::vector<float> scores(rung.labels());
  std::size_t right = 0;
  for (std::size_t i = 0; i < test.size(); ++i) {
    rung.score_text(test.texts[i], *scratch, scores);
    const auto best = static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin());
    right += train.label_names[best] == test.label_names[test.labels[i]];
    predictions += train.label_names[best] + "\n";
  }
  return static_cast<double>(right) / static_cast<double>(test.size());
}

double rows_a_second(const LinearRung& rung, const Dataset& test, double seconds) {
  const auto scratch = rung.make_scratch();
  std::vector<float> scores(rung.labels());
  const double begin = cpu_seconds();
  double spent = 0;
  std::size_t rows = 0;
  while (spent < seconds) {
    for (const std::string& text : test.texts) rung.score_text(text, *scratch, scores);
    rows += test.size();
    spent = cpu_seconds() - begin;
  }
  return static_cast<double>(rows) / spent;
}

Status run(const Arguments& arguments) {
  const double start = now(), cpu_start = cpu_seconds();
  SMIDGEN_ASSIGN(const Dataset train, read(arguments.train));
  const double loaded = now();
  LinearSettings settings;
  SMIDGEN_ASSIGN(const std::unique_ptr<LinearRung> fitted, trained(arguments, train, settings));
  const std::string folder = arguments.out.empty()
                                 ? (std::filesystem::temp_directory_path() / "smidgen_bench_linear").string()
                                 : arguments.out;
  SMIDGEN_ASSIGN(StagedFolder staged, StagedFolder::create(folder, true));
  SMIDGEN_TRY(fitted->save(staged.path()));
  SMIDGEN_TRY(staged.commit());
  const double saved = now(), cpu_saved = cpu_seconds();

  SMIDGEN_ASSIGN(const std::unique_ptr<LinearRung> rung, LinearRung::load(folder, train.label_names.size()));
  SMIDGEN_ASSIGN(const std::uint64_t bytes, folder_bytes(folder));
  SMIDGEN_ASSIGN(const Dataset test, read(arguments.test));
  std::string predictions, blocks;
  const double share_right = accuracy(*rung, train, test, predictions);
  if (!arguments.predictions.empty()) SMIDGEN_TRY(write_file_atomic(arguments.predictions, predictions));
  for (const NgramBlock block : settings.features.blocks) {
    blocks += (blocks.empty() ? "" : "+") + std::string(to_string(block));
  }
  fmt::print(
      R"({{"train":{},"test":{},"labels":{},"accuracy":{:.5f},"c":{:g},"blocks":"{}","rows_min":{},"keep":{:g},)"
      R"("load_seconds":{:.3f},"train_seconds":{:.3f},"total_seconds":{:.3f},"total_cpu_seconds":{:.3f},"rows_per_second":{:.0f},"bytes":{}}})"
      "\n",
      train.size(), test.size(), train.label_names.size(), share_right, settings.c, blocks, settings.features.rows_min,
      settings.keep, loaded - start, saved - loaded, saved - start, cpu_saved - cpu_start,
      rows_a_second(*rung, test, arguments.seconds), bytes);
  return Ok{};
}

}  // namespace
}  // namespace smidgen

int main(int argc, char** argv) {
  smidgen::Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view flag = argv[i];
    const auto value = [&] { return i + 1 < argc ? argv[++i] : ""; };
    if (flag == "--c") {
      arguments.c = std::atof(value());
    } else if (flag == "--search") {
      arguments.c = 0;
    } else if (flag == "--threads") {
      arguments.threads = static_cast<std::size_t>(std::max(1, std::atoi(value())));
    } else if (flag == "--seed") {
      arguments.seed = static_cast<std::uint64_t>(std::atoll(value()));
    } else if (flag == "--seconds") {
      arguments.seconds = std::atof(value());
    } else if (flag == "--predictions") {
      arguments.predictions = value();
    } else if (flag == "--out") {
      arguments.out = value();
    } else if (arguments.train.empty()) {
      arguments.train = flag;
    } else {
      arguments.test = flag;
    }
  }
  if (arguments.test.empty()) {
    std::fprintf(stderr, "usage: bench_linear TRAIN.csv TEST.csv [--c C | --search] [--threads N] [--out FOLDER]\n");
    return 64;
  }
  const smidgen::Status status = smidgen::run(arguments);
  if (!status.ok()) std::fprintf(stderr, "bench_linear: %s\n", status.error().message().c_str());
  return status.ok() ? 0 : status.error().exit_code();
}
