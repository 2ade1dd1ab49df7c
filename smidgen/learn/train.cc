// `train`: every row is fitted on, nothing certified. The choices are those of `pick`, with the part that certifies
// left empty.
#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "smidgen/base/clock.h"
#include "smidgen/base/file.h"
#include "smidgen/base/work_folder.h"
#include "smidgen/learn/blend.h"
#include "smidgen/learn/pick.h"
#include "smidgen/learn/training_rows.h"
#include "smidgen/learn/write_rungs.h"

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

// Writes the rungs of the blend to `folder`, as a bundle that answers everything at the last one.
Result<TrainSummary> write_blend(const Dataset& data, const Ladder& ladder, const Blend& blend, const std::string& rung,
                                 const std::string& folder, bool force) {
  std::vector<NamedRung> rungs;
  TrainSummary summary;
  for (const std::size_t column : blend.columns) {
    const TrainedRung& trained = ladder.rungs[column];
    rungs.push_back({trained.name, trained.rung.get()});
    summary.rungs.push_back(trained.name);
    summary.chosen.push_back(trained.chosen);
  }
  const std::string card = "# Trained with `smidgen train`\n\nRungs: " + std::to_string(rungs.size()) +
                           ". Nothing about its accuracy is certified; `smidgen pick` certifies.\n";
  const auto is_linear = [](const NamedRung& named) { return named.rung->kind() == RungKind::kLinear; };
  const bool has_linear = std::any_of(rungs.begin(), rungs.end(), is_linear);
  const bool has_vectors = !std::all_of(rungs.begin(), rungs.end(), is_linear);
  const std::shared_ptr<const Speller> speller = has_linear && has_vectors ? ladder.speller : nullptr;
  summary.repairs_typos = speller != nullptr;
  SMIDGEN_TRY(write_rungs(folder, force, data.label_names, ladder.encoder_precision(), rungs,
                          answer_at_the_end(rungs.size(), blend.calibration.stage), std::nullopt, card, speller));
  summary.bundle = folder;
  summary.rung = rung;
  summary.accuracy_out_of_fold = blend.calibration.after.accuracy;
  return summary;
}

constexpr const char* kBundlesOfAll[] = {"linear", "static", "encoder", "blend"};

// Whether the folder of all bundles may be written: like a bundle, only what was written by us is ever replaced.
Status check_folder_of_all(const std::string& out, bool force) {
  namespace fs = std::filesystem;
  std::error_code code;
  if (!fs::exists(out, code)) return Ok{};
  if (!fs::is_directory(out, code))
    return Error(ErrorKind::kCannotCreate, "exists and is not a folder: it is not replaced")
        .in(out)
        .hint("choose another --out");
  for (fs::directory_iterator at(out, code), end; !code && at != end; at.increment(code)) {
    const std::string name = at->path().filename().string();
    if (std::find(std::begin(kBundlesOfAll), std::end(kBundlesOfAll), name) == std::end(kBundlesOfAll))
      return Error(ErrorKind::kCannotCreate, "holds \"" + name + "\", which is not from `train --rung all`")
          .in(out)
          .hint("choose another --out");
    SMIDGEN_TRY(check_bundle_target(at->path().string(), true));
  }
  if (code) return Error(ErrorKind::kCannotCreate, "cannot list: " + code.message()).in(out);
  // Last: the advice is good only where the folder may be replaced.
  if (!force)
    return Error(ErrorKind::kCannotCreate, "already exists").in(out).hint("choose another --out or pass --force");
  return Ok{};
}

// All of `names`, each in a folder of its own below `out`, which appears whole or not at all.
Result<std::vector<TrainSummary>> write_all(const Dataset& data, const Ladder& ladder,
                                            const std::vector<std::pair<std::string, Blend>>& named,
                                            const std::string& out, bool force) {
  SMIDGEN_ASSIGN(StagedFolder staged, StagedFolder::create(out, force));
  std::vector<TrainSummary> written;
  for (const auto& [name, blend] : named) {
    SMIDGEN_ASSIGN(TrainSummary summary, write_blend(data, ladder, blend, name, staged.path() + "/" + name, false));
    summary.bundle = out + "/" + name;
    written.push_back(std::move(summary));
  }
  SMIDGEN_TRY(staged.commit());
  return written;
}

}  // namespace

Result<std::vector<TrainSummary>> train(const Dataset& data, const std::string& rung,
                                        const LadderOptions& ladder_options, const std::string& out, bool force,
                                        ThreadPool& pool, const Watcher& watcher) {
  const auto start = steady_now();
  SMIDGEN_ASSIGN(LadderOptions options, rungs_for(rung, ladder_options));
  const bool every = rung == "all";
  SMIDGEN_TRY(every ? check_folder_of_all(out, force) : check_bundle_target(out, force));
  SMIDGEN_ASSIGN(const WorkFolder claim, WorkFolder::create(out));  // a second `train` to the same place learns it now
  options.tuned_folder = claim.file("tuned");
  options.state_key = std::to_string(options.seconds_max);
  SplitOptions split_options;
  split_options.certify_elsewhere = true;
  split_options.seed = options.seed;
  SMIDGEN_ASSIGN(const Split split, make_split(data, split_options));
  SMIDGEN_ASSIGN(const TrainingRows rows, cut_training_rows(data, split, options.seed));
  SMIDGEN_ASSIGN(const Ladder ladder, train_ladder(rows, options, pool, watcher));

  watcher.report("calibrating", 0);
  const std::vector<float> scores = ladder.side_by_side(rows.label_count);
  const ScoredRows scored{scores, rows.labels, rows.units, ladder.rungs.size(), rows.label_count};
  std::vector<std::pair<std::string, Blend>> named;
  for (std::size_t column = 0; every && column < ladder.rungs.size(); ++column)
    named.push_back({ladder.rungs[column].name,
                     {{column}, calibrate(scored, std::vector<std::size_t>{column}, {.seed = options.seed}, &pool)}});
  named.push_back({every ? "blend" : rung, choose_blend(scored, {.seed = options.seed}, &pool)});
  std::vector<TrainSummary> written;
  if (every) {
    SMIDGEN_ASSIGN(written, write_all(data, ladder, named, out, force));
  } else {
    SMIDGEN_ASSIGN(TrainSummary summary, write_blend(data, ladder, named.back().second, rung, out, force));
    written.push_back(std::move(summary));
  }
  ladder.remove_leftovers();
  const LabelSources sources = label_sources(data);
  for (TrainSummary& one : written) {
    one.notes = ladder.notes;
    one.labels_from = sources.models;
    one.rows = data.size();
    one.rows_of_models = sources.model_rows;
  }
  for (TrainSummary& one : written) one.seconds = seconds_since(start);
  return written;
}

}  // namespace smidgen
