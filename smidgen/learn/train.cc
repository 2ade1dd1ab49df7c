// `train`: every row is fitted on, nothing certified. The choices are those of `pick`, with the part that certifies
// left empty.
#include <algorithm>
#include <chrono>
#include <filesystem>

#include "smidgen/base/work_folder.h"
#include "smidgen/learn/blend.h"
#include "smidgen/learn/pick.h"
#include "smidgen/learn/training_rows.h"
#include "smidgen/model/bundle.h"

namespace smidgen {

namespace {

Result<LadderOptions> rungs_for(const std::string& rung, LadderOptions options) {
  const bool every = rung == "blend" || rung == "all";
  if (!every && rung != "linear" && rung != "static" && rung != "encoder")
    return Error::usage("no rung called \"" + rung + "\"").hint("choose linear, static, encoder, blend or all");
  options.linear = rung == "linear" || every;
  options.static_vectors = rung == "static" || every;
  options.encoder = rung == "encoder" || every;
  return options;
}

// Writes the rungs of `columns` as a bundle that answers everything at the last one.
Result<TrainSummary> write_bundle(const Dataset& data, const Ladder& ladder, const Blend& blend,
                                  const std::string& rung, const std::string& out, bool force) {
  BundleInfo info{"classification", data.label_names, Precision::kF32, {}, {}};
  std::vector<const Rung*> rungs;
  TrainSummary summary;
  for (std::size_t stage = 0; stage < blend.columns.size(); ++stage) {
    const TrainedRung& trained = ladder.rungs[blend.columns[stage]];
    info.rungs.push_back({trained.name, trained.rung->kind(), trained.name, trained.rung->tokens_max()});
    rungs.push_back(trained.rung.get());
    Stage pass;
    pass.weights.assign(stage + 1, 0);
    pass.weights.back() = 1;
    pass.threshold = kNeverLeave;
    info.policy.stages.push_back(stage + 1 == blend.columns.size() ? blend.calibration.stage : pass);
    summary.rungs.push_back(trained.name);
    summary.chosen.push_back(trained.chosen);
  }
  info.policy.stages.back().threshold = 0;  // answers everything
  info.precision = bundle_precision(info.rungs, ladder.encoder_precision());
  const std::string card = "# Trained with `smidgen train`\n\nRungs: " + std::to_string(rungs.size()) +
                           ". Nothing about its accuracy is certified; `smidgen pick` certifies.\n";
  SMIDGEN_TRY(save_bundle(out, force, info, rungs, std::nullopt, card));
  summary.bundle = out;
  summary.rung = rung;
  summary.accuracy_out_of_fold = blend.calibration.after.accuracy;
  return summary;
}

}  // namespace

Result<std::vector<TrainSummary>> train(const Dataset& data, const std::string& rung,
                                        const LadderOptions& ladder_options, const std::string& out, bool force,
                                        ThreadPool& pool, const Watcher& watcher) {
  const auto start = std::chrono::steady_clock::now();
  std::error_code code;
  SMIDGEN_ASSIGN(const LadderOptions options, rungs_for(rung, ladder_options));
  if (rung != "all") SMIDGEN_TRY(check_bundle_target(out, force));
  if (rung == "all" && !force && std::filesystem::exists(out, code))
    return Error(ErrorKind::kCannotCreate, "already exists").in(out).hint("choose another --out or pass --force");
  SMIDGEN_ASSIGN(const WorkFolder claim, WorkFolder::create(out));  // a second `train` to the same place learns it now
  SplitOptions split_options;
  split_options.certify_elsewhere = true;
  split_options.seed = options.seed;
  SMIDGEN_ASSIGN(const Split split, make_split(data, split_options));
  SMIDGEN_ASSIGN(const TrainingRows rows, cut_training_rows(data, split, options.seed));
  SMIDGEN_ASSIGN(const Ladder ladder, train_ladder(rows, options, pool, watcher));

  watcher.report("calibrating", 0);
  const std::vector<float> scores = ladder.side_by_side(rows.label_count);
  const ScoredRows scored{scores, rows.labels, rows.units, ladder.rungs.size(), rows.label_count};
  std::vector<TrainSummary> written;
  if (rung == "all") {
    if (!std::filesystem::create_directory(out, code) && code)
      return Error(ErrorKind::kCannotCreate, "cannot create folder: " + code.message()).in(out);
    for (std::size_t column = 0; column < ladder.rungs.size(); ++column) {
      const std::string& name = ladder.rungs[column].name;
      const Blend alone{{column}, calibrate(scored, std::vector<std::size_t>{column}, {.seed = options.seed}, &pool)};
      SMIDGEN_ASSIGN(TrainSummary summary, write_bundle(data, ladder, alone, name, out + "/" + name, force));
      written.push_back(std::move(summary));
    }
  }
  const std::string blend_out = rung == "all" ? out + "/blend" : out;
  const Blend blend = choose_blend(scored, {.seed = options.seed}, &pool);
  SMIDGEN_ASSIGN(TrainSummary summary,
                 write_bundle(data, ladder, blend, rung == "all" ? "blend" : rung, blend_out, force));
  written.push_back(std::move(summary));
  for (TrainSummary& one : written)
    one.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return written;
}

}  // namespace smidgen
