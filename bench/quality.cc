// One set and seed of the quality table, without leaving the process: trains what `train --rung all` trains, then
// answers a test file with each rung and with the blend.
//
//   bench_quality TRAIN.csv TEST.csv --encoder FOLDER [--embeddings FOLDER] [--tokens-max N] [--seed S] [--threads N]
//                 [--out-of-fold FILE] [--test-scores FILE] [--precision f32|bf16|int8]
//
// The test file is opened after training. --embeddings keeps the encoder's vectors of both files between runs (they
// cost most of a run and do not depend on the seed). --out-of-fold, --test-scores: what every rung says, as score
// caches (bench/score_cache.h): of the training rows, each by rungs that saw neither it nor its unit, and of the test
// rows. Prints one JSON object; quality.py makes the table of them.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bench/score_cache.h"
#include "smidgen/base/clock.h"
#include "smidgen/base/file.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/sha256.h"
#include "smidgen/learn/blend.h"
#include "smidgen/learn/training_rows.h"
#include "smidgen/model/encoder_rung.h"
#include "smidgen/text/dataset.h"

namespace smidgen {
namespace {

struct Arguments {
  std::string train, test, encoder, embeddings, out_of_fold, test_scores;
  std::size_t tokens_max = 0, threads = usable_cores();
  std::uint64_t seed = 1;
  Precision precision = Precision::kF32;  // what the peers compute in
};

using Texts = std::span<const std::string_view>;

Result<Dataset> read(const std::string& path) {
  ReadOptions options;
  options.label_column = "label";
  return Dataset::load(path, options);
}

// Which code rounds to bf16 and int8. Its vectors are that code's, not the encoder's alone: raise this when what it
// computes changes, so that stored vectors of the old code are not taken for the new one's. 2: int8 smooths its inputs.
constexpr const char* kLowPrecisions = "2";

std::string place_of(const std::string& folder, const Encoder& encoder, Texts texts) {
  std::string key = encoder.folder() + '\0' + std::to_string(encoder.tokens_max());
  if (encoder.precision() != Precision::kF32)
    key += '\0' + std::string(precision_name(encoder.precision())) + '\0' + kLowPrecisions;
  for (const std::string_view text : texts) (key += '\0') += text;
  return folder + "/" + sha256_hex(key) + ".f32";
}

Result<EmbeddingMatrix> embed_once(const std::string& folder, const Encoder& encoder, Texts texts, ThreadPool& pool,
                                   const Watcher& watcher) {
  if (folder.empty()) return embed_all(encoder, texts, pool, watcher);
  const std::string path = place_of(folder, encoder, texts);
  EmbeddingMatrix matrix{texts.size(), encoder.dimensions(), {}, 0};
  matrix.values.resize(matrix.rows * matrix.dimensions);
  const std::size_t bytes = matrix.values.size() * sizeof(float);
  if (std::filesystem::exists(path)) {
    SMIDGEN_ASSIGN(const std::string stored, read_file(path, bytes));
    if (stored.size() != bytes) return Error::bad_data("not the stored vectors").in(path);
    std::memcpy(matrix.values.data(), stored.data(), bytes);
    return matrix;
  }
  SMIDGEN_ASSIGN(matrix, embed_all(encoder, texts, pool, watcher));
  SMIDGEN_TRY(write_file_atomic(path, std::string_view(reinterpret_cast<const char*>(matrix.values.data()), bytes)));
  return matrix;
}

// (n, labels) log-probabilities of one rung. The encoder's come from the stored vectors through its own head.
Result<std::vector<float>> rung_scores(const Rung& rung, Texts texts, const std::string& folder, ThreadPool& pool) {
  const std::size_t labels = rung.labels();
  std::vector<float> scores(texts.size() * labels);
  if (const auto* encoder = dynamic_cast<const EncoderRung*>(&rung)) {
    SMIDGEN_ASSIGN(const EmbeddingMatrix vectors, embed_once(folder, encoder->encoder(), texts, pool, {}));
    for (std::size_t i = 0; i < texts.size(); ++i)
      encoder->head().log_probabilities(vectors.row(i), std::span(scores).subspan(i * labels, labels));
    return scores;
  }
  const auto scratch = rung.make_scratch();
  for (std::size_t i = 0; i < texts.size(); ++i) {
    TextBatch batch(texts.subspan(i, 1));
    const std::uint32_t row = 0;
    rung.score(batch, std::span(&row, 1), *scratch, std::span(scores).subspan(i * labels, labels));
  }
  return scores;
}

struct TestRows {
  std::vector<std::string_view> texts;
  std::vector<std::uint32_t> labels;  // the training data's numbers
};

Result<TestRows> test_rows(const Dataset& train, const Dataset& test) {
  TestRows rows;
  rows.texts.assign(test.texts.begin(), test.texts.end());
  for (const std::uint32_t number : test.labels) {
    const std::string& name = test.label_names[number];
    const auto at = std::lower_bound(train.label_names.begin(), train.label_names.end(), name);
    if (at == train.label_names.end() || *at != name)
      return Error::bad_data("label \"" + name + "\" does not occur in the training rows").in(test.path);
    rows.labels.push_back(static_cast<std::uint32_t>(at - train.label_names.begin()));
  }
  return rows;
}

// What `stage` answers: (n, labels) probabilities from the scores of its rungs.
std::vector<float> answers(const ScorePool& pool, std::span<const std::size_t> columns, const Stage& stage) {
  const std::size_t labels = pool.label_count;
  std::vector<float> out(pool.size() * labels), stacked(columns.size() * labels);
  for (std::size_t i = 0; i < pool.size(); ++i) {
    for (std::size_t c = 0; c < columns.size(); ++c)
      std::copy_n(pool.scores.begin() + static_cast<std::ptrdiff_t>((i * pool.rungs + columns[c]) * labels), labels,
                  stacked.begin() + static_cast<std::ptrdiff_t>(c * labels));
    blend_stage(stage, stacked, std::span(out).subspan(i * labels, labels));
  }
  return out;
}

std::string to_json(const Evaluation& found, const Calibration& calibration) {
  std::string numbers;
  for (const std::uint32_t answer : found.answers) numbers += (numbers.empty() ? "" : ",") + std::to_string(answer);
  return fmt::format(
      R"({{"method":"{}","out_of_fold":{:.5f},"out_of_fold_log_loss":{:.5f},"accuracy":{:.6f},"accuracy_low":{:.6f},)"
      R"("accuracy_high":{:.6f},"macro_f1":{:.6f},"log_loss":{:.5f},"ece":{:.5f},"answers":[{}]}})",
      calibration.method, calibration.after.accuracy, calibration.after.log_loss, found.accuracy,
      found.accuracy_interval.low, found.accuracy_interval.high, found.macro_f1, found.log_loss,
      found.calibration.equal_width, numbers);
}

std::string strings(const std::vector<std::string>& values) {
  std::string out = "[";
  for (const std::string& value : values) {
    if (out.size() > 1) out += ',';
    append_json_string(out, value);
  }
  return out + "]";
}

// Everything that reads training rows.
struct Trained {
  Dataset data;
  TrainingRows rows;
  Ladder ladder;
  std::vector<Blend> blends;  // each rung alone, then the blend
};

Result<Trained> train_all(const Arguments& arguments, ThreadPool& pool) {
  SMIDGEN_ASSIGN(Dataset data, read(arguments.train));
  SplitOptions split_options;
  split_options.certify_elsewhere = true;
  split_options.seed = arguments.seed;
  SMIDGEN_ASSIGN(const Split split, make_split(data, split_options));
  SMIDGEN_ASSIGN(TrainingRows rows, cut_training_rows(data, split, arguments.seed));
  LadderOptions options;
  options.encoder_folder = arguments.encoder;
  options.tokens_max = arguments.tokens_max;
  options.precision = arguments.precision;
  options.seed = arguments.seed;
  options.cache_folder = arguments.embeddings;
  options.embed = [&](const Encoder& encoder, Texts texts, ThreadPool& threads, const Watcher& watcher) {
    return embed_once(arguments.embeddings, encoder, texts, threads, watcher);
  };
  SMIDGEN_ASSIGN(Ladder ladder, train_ladder(rows, options, pool, {}));
  const std::vector<float> scores = ladder.side_by_side(rows.label_count);
  if (!arguments.out_of_fold.empty())
    SMIDGEN_TRY(write_score_cache(arguments.out_of_fold, {ladder.rungs.size(), rows.label_count, rows.labels, scores}));
  const ScoredRows scored{scores, rows.labels, rows.units, ladder.rungs.size(), rows.label_count};
  std::vector<Blend> blends;
  for (std::size_t column = 0; column < ladder.rungs.size(); ++column)
    blends.push_back({{column}, calibrate(scored, std::vector<std::size_t>{column}, {.seed = arguments.seed}, &pool)});
  blends.push_back(choose_blend(scored, {.seed = arguments.seed}, &pool));
  return Trained{std::move(data), std::move(rows), std::move(ladder), std::move(blends)};
}

Status run(const Arguments& arguments) {
  const auto start = steady_now();
  ThreadPool pool(arguments.threads);
  SMIDGEN_ASSIGN(const Trained trained, train_all(arguments, pool));
  const double seconds = seconds_since(start);

  SMIDGEN_ASSIGN(const Dataset test, read(arguments.test));
  SMIDGEN_ASSIGN(const TestRows rows, test_rows(trained.data, test));
  Ladder on_test;  // side_by_side lays the scores out
  for (const TrainedRung& rung : trained.ladder.rungs) {
    TrainedRung scored;
    SMIDGEN_ASSIGN(scored.out_of_fold, rung_scores(*rung.rung, rows.texts, arguments.embeddings, pool));
    on_test.rungs.push_back(std::move(scored));
  }
  const std::size_t labels = trained.rows.label_count;
  const ScorePool scores{on_test.rungs.size(), labels, rows.labels, on_test.side_by_side(labels)};
  if (!arguments.test_scores.empty()) SMIDGEN_TRY(write_score_cache(arguments.test_scores, scores));

  std::vector<std::string> blend_of, chosen, truth;
  for (const std::size_t column : trained.blends.back().columns) blend_of.push_back(trained.ladder.rungs[column].name);
  for (const TrainedRung& rung : trained.ladder.rungs) chosen.push_back(rung.chosen);
  for (const std::uint32_t label : rows.labels) truth.push_back(std::to_string(label));
  std::string found;
  for (std::size_t i = 0; i < trained.blends.size(); ++i) {
    const Blend& blend = trained.blends[i];
    const std::string name = i < trained.ladder.rungs.size() ? trained.ladder.rungs[i].name : "blend";
    const Evaluation evaluation =
        evaluate(answers(scores, blend.columns, blend.calibration.stage), rows.labels, labels);
    found += fmt::format(R"({}"{}":{})", i == 0 ? "" : ",", name, to_json(evaluation, blend.calibration));
  }
  fmt::print("{{\"seconds\":{:.1f},\"labels\":{},\"blend_of\":{},\"settings\":{},\"truth\":[{}],\"rungs\":{{{}}}}}\n",
             seconds, strings(trained.data.label_names), strings(blend_of), strings(chosen), fmt::join(truth, ","),
             found);
  return Ok{};
}

bool parse(int count, char** words, Arguments& arguments) {
  for (int i = 1; i < count; ++i) {
    const std::string_view flag = words[i];
    const auto value = [&] { return i + 1 < count ? std::string(words[++i]) : std::string(); };
    if (flag == "--encoder") {
      arguments.encoder = value();
    } else if (flag == "--embeddings") {
      arguments.embeddings = value();
    } else if (flag == "--out-of-fold") {
      arguments.out_of_fold = value();
    } else if (flag == "--test-scores") {
      arguments.test_scores = value();
    } else if (flag == "--tokens-max") {
      arguments.tokens_max = static_cast<std::size_t>(std::atoll(value().c_str()));
    } else if (flag == "--threads") {
      arguments.threads = static_cast<std::size_t>(std::max(1, std::atoi(value().c_str())));
    } else if (flag == "--precision") {
      const auto precision = precision_by_name(value());
      if (!precision) return false;
      arguments.precision = *precision;
    } else if (flag == "--seed") {
      arguments.seed = static_cast<std::uint64_t>(std::atoll(value().c_str()));
    } else {
      (arguments.train.empty() ? arguments.train : arguments.test) = flag;
    }
  }
  return !arguments.test.empty() && !arguments.encoder.empty();
}

}  // namespace
}  // namespace smidgen

int main(int count, char** words) {
  smidgen::Arguments arguments;
  if (!smidgen::parse(count, words, arguments)) {
    fmt::print(stderr,
               "usage: bench_quality TRAIN.csv TEST.csv --encoder FOLDER [--embeddings FOLDER] [--tokens-max N] "
               "[--seed S] [--threads N] [--out-of-fold FILE] [--test-scores FILE] [--precision f32|bf16|int8]\n");
    return 64;
  }
  const smidgen::Status status = smidgen::run(arguments);
  if (!status.ok()) fmt::print(stderr, "bench_quality: {}\n", status.error().message());
  return status.ok() ? 0 : status.error().exit_code();
}
