#include "smidgen/learn/headed_training.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <mutex>
#include <utility>

#include "smidgen/base/sha256.h"
#include "smidgen/base/version.h"
#include "smidgen/learn/fine_tune_tokens.h"
#include "smidgen/learn/headed_folder.h"
#include "smidgen/learn/split.h"
#include "smidgen/learn/state_folder.h"

namespace smidgen {

namespace {

constexpr int kRecipe = 1;  // of rows, head and steps: a checkpoint of another is not gone on with

// What a checkpoint must have been made with, beside rows and recipe, which fine_tune adds. Another budget is another
// run: a schedule that was cut to the one before says nothing of this one.
Result<std::string> checkpoint_key(const HeadedTask& task, const TrainingModel& model, std::size_t labels,
                                   const HeadedTrainingOptions& options) {
  const EncoderConfig& config = model.encoder.config();
  std::string key = fmt::format("{} {} {} {} {} {}", kVersion, kRecipe, task.name, precision_name(model.precision),
                                labels, options.seconds_max);
  std::vector<std::string> files = config.files;  // the shape; what the tokenizer makes of the rows is in the rows
  files.push_back(config.body_prefix + "model.safetensors");
  for (const std::string& name : files) {
    SMIDGEN_ASSIGN(const std::string content, sha256_file(options.encoder + "/" + name));
    key += fmt::format("\n{} {}", name, content);
  }
  return key;
}

}  // namespace

std::vector<bool> held_out_keys(std::span<const std::string> keys, double share) {
  SMIDGEN_CHECK(share >= 0 && share < 1);
  std::vector<std::pair<std::uint64_t, std::string_view>> order;
  order.reserve(keys.size());
  for (const std::string& key : keys) order.emplace_back(unit_hash(kDefaultSplitSalt, "held-out text", key), key);
  std::sort(order.begin(), order.end());
  order.erase(std::unique(order.begin(), order.end()), order.end());
  auto count = static_cast<std::size_t>(std::round(share * static_cast<double>(order.size())));
  if (share > 0) count = std::max<std::size_t>(1, count);
  count = order.size() < 2 ? 0 : std::min(count, order.size() - 1);
  order.resize(count);
  std::vector<bool> held;
  held.reserve(keys.size());
  for (const std::string& key : keys) {
    const std::pair<std::uint64_t, std::string_view> wanted(unit_hash(kDefaultSplitSalt, "held-out text", key), key);
    held.push_back(std::binary_search(order.begin(), order.end(), wanted));
  }
  return held;
}

Status watched_for(ThreadPool& pool, std::size_t count, std::string_view stage, const Watcher& watcher,
                   const std::function<void(std::size_t, std::size_t)>& body) {
  std::atomic<bool> stopped = false;
  std::mutex watching;
  std::size_t done = 0;
  watcher.report(stage, 0);
  pool.parallel_for(count, [&](std::size_t index, std::size_t worker) {
    if (stopped) return;
    body(index, worker);
    const std::lock_guard lock(watching);
    ++done;
    watcher.report(stage, static_cast<double>(done) / static_cast<double>(count));
    if (watcher.stop_requested()) stopped = true;
  });
  if (stopped) return Error::cancelled();
  return Ok{};
}

Result<TrainingModel> TrainingModel::load(const std::string& folder, bool pairs, ThreadPool& pool) {
  const Precision precision = TrainableEncoder::fast_precision(kernels());
  SMIDGEN_ASSIGN(TrainableEncoder encoder, TrainableEncoder::load(folder, precision, kernels(), pool, pairs));
  const EncoderConfig& config = encoder.config();
  SMIDGEN_ASSIGN(std::unique_ptr<Tokenizer> tokenizer, Tokenizer::load(config.body_folder));
  if (tokenizer->vocabulary_size() > config.body.vocabulary)
    return Error::bad_data("its tokenizer is another model's")
        .in(folder)
        .hint("take tokenizer and weights from the same model");
  if (pairs && tokenizer->pair_template() == nullptr)
    return Error::bad_data("its tokenizer does not say how to put a question and a passage together")
        .in(folder)
        .hint("take tokenizer and weights from the same model");
  if (pairs) SMIDGEN_TRY(check_segments(folder, *tokenizer, config.body));
  return TrainingModel{std::move(encoder), std::move(tokenizer), precision};
}

Result<TrainedFolder> fit_and_stage(const HeadedTask& task, TrainingModel& model, const HeadedTrainingOptions& options,
                                    const WorkFolder& work, HeadedTrainingSummary& summary) {
  const std::size_t labels = task.kind == HeadKind::kQuestions ? 2 : task.labels.size();
  FineTuneOptions recipe = task.recipe;
  if (options.epochs > 0) recipe.epochs = options.epochs;
  recipe.seconds_max = options.seconds_max;
  recipe.seed = options.seed;
  recipe.checkpoint = training_checkpoint(options.state_folder, task.name, options.out, summary.notes);
  SMIDGEN_ASSIGN(recipe.checkpoint_key, checkpoint_key(task, model, labels, options));
  recipe.checkpoint_when_done = options.held_out > 0;  // judging may take minutes
  SoftmaxHead head = random_head(labels, model.encoder.dimensions(), options.seed);
  SMIDGEN_ASSIGN(const FineTuneReport report, task.fit(model.encoder, head, recipe));
  SMIDGEN_ASSIGN(StagedFolder staged, stage_headed_folder(work.file("model"), options.out, options.force, model.encoder,
                                                          task.kind, head, task.labels));
  summary.folder = options.out;
  summary.epochs = report.epochs.size();
  if (summary.epochs < recipe.epochs)
    summary.notes.push_back(fmt::format("The time was enough for {} of {} epochs.", summary.epochs, recipe.epochs));
  summary.loss = report.epochs.empty() ? 0 : report.epochs.back().loss;
  summary.resumed = report.resumed_steps > 0;
  if (!report.note.empty()) summary.notes.push_back(report.note);
  return TrainedFolder{std::move(staged), recipe.checkpoint};
}

Status commit(TrainedFolder& trained, const HeadedTrainingOptions& options) {
  SMIDGEN_TRY(commit_headed_folder(trained.staged, options.out, options.force));
  std::error_code ignored;
  if (!trained.checkpoint.empty()) std::filesystem::remove(trained.checkpoint, ignored);
  return Ok{};
}

}  // namespace smidgen
