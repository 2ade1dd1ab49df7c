// `show`: what is in a bundle, whether its bytes are whole, and what its certificate claims.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "smidgen/app/commands.h"
#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/load_data.h"
#include "smidgen/app/paper.h"
#include "smidgen/base/file.h"
#include "smidgen/base/json.h"
#include "smidgen/learn/refusal.h"
#include "smidgen/model/bundle.h"
#include "smidgen/model/bundle_json.h"

namespace smidgen {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kLabelsShown = 20;

struct Sizes {
  std::uint64_t all = 0;
  std::vector<std::uint64_t> rungs;
};

Result<Sizes> measure(const std::string& folder, const Bundle& bundle) {
  Sizes sizes;
  SMIDGEN_ASSIGN(sizes.all, folder_bytes(folder));
  for (const BundleRung& rung : bundle.info.rungs) {
    SMIDGEN_ASSIGN(const std::uint64_t bytes, folder_bytes(folder + "/" + rung.path));
    sizes.rungs.push_back(bytes);
  }
  return sizes;
}

Json to_json(const std::string& folder, const Bundle& bundle, const Sizes& sizes) {
  Json rungs = Json::array();
  for (std::size_t i = 0; i < bundle.info.rungs.size(); ++i) {
    const BundleRung& rung = bundle.info.rungs[i];
    const Stage& stage = bundle.info.policy.stages[i];
    rungs.push_back({{"name", rung.name},
                     {"kind", std::string(to_string(rung.kind))},
                     {"threshold", stage.threshold},
                     {"weights", stage.weights},
                     {"tokens_max", rung.tokens_max},
                     {"bytes", sizes.rungs[i]}});
    if (rung.exit_after > 0) rungs.back()["exit_after"] = rung.exit_after;
  }
  Json root = {{"bundle", folder},
               {"task", bundle.info.task},
               {"labels", bundle.info.labels},
               {"precision", std::string(precision_name(bundle.info.precision))},
               {"typos", bundle.info.speller != nullptr ? "repair" : "keep"},
               {"rungs", rungs},
               {"bytes", sizes.all},
               {"sha256", bundle.sha256},
               {"hashes_ok", true},  // a bundle with another hash does not load
               {"certified", bundle.certificate && bundle.certificate->certified},
               {"certificate", nullptr}};
  if (bundle.certificate)
    if (const auto text = certificate_to_json(*bundle.certificate); text.ok())
      root["certificate"] = Json::parse(*text, nullptr, false);
  return root;
}

std::string leaves(const Stage& stage, bool last) {
  if (stage.threshold > 1) return last ? "sends every row to the large model" : "answers nothing itself";
  if (stage.threshold <= 0) return "answers every row";
  return fmt::format("answers at {} or surer", rounded_up(stage.threshold, 4));
}

void add_certificate(const Certificate& c, Paper& paper) {
  if (c.certified) {
    paper.sentence("certified:", for_terminal(c.statement, 4000), Ink::kGood);
  } else {
    paper.sentence("not certified:", "nothing is claimed for its answers", Ink::kBad);
    paper.sentence("", for_terminal(c.statement, 4000));
  }
  paper.sentence(
      "counts:",
      fmt::format("{} of {} units answered, {} wrong{}; p = {}, {} of {} candidates tested, attempt {} on this split",
                  with_thousands(c.n_answered), with_thousands(c.n_units), with_thousands(c.errors),
                  c.risk == "all" ? " of all, the large model's answers counted in" : "", p_in_words(c.p_value),
                  c.tested, c.candidates, c.attempts));
  for (const Certificate::Target& t : c.targets) {
    std::string text = fmt::format("{} of {} {} {}: {} of {}, p = {}", t.kind, for_terminal(t.label, 40),
                                   c.certified ? "at least" : "asked to be at least", t.target, with_thousands(t.hits),
                                   with_thousands(t.n), p_in_words(t.p_value));
    if (t.kind == "recall")
      text += fmt::format(" (among local answers {} of {})", with_thousands(t.hits_local), with_thousands(t.n_local));
    paper.sentence("target:", text);
  }
  for (const std::string& assumption : c.assumptions) paper.sentence("assumes:", for_terminal(assumption, 1000));
  if (c.not_claimed.empty()) return;
  std::string labels;
  for (std::size_t i = 0; i < std::min(kLabelsShown, c.not_claimed.size()); ++i)
    labels += (i > 0 ? ", " : "") + for_terminal(c.not_claimed[i], 40);
  if (c.not_claimed.size() > kLabelsShown) labels += fmt::format(", and {} more", c.not_claimed.size() - kLabelsShown);
  paper.sentence("not said:", "nothing is claimed for the labels " + labels);
}

std::string to_text(const std::string& folder, const Bundle& bundle, const Sizes& sizes, const App& app) {
  const BundleInfo& info = bundle.info;
  std::string out =
      app.terminal.paint(Paint::kBold, for_terminal(folder, 200)) +
      fmt::format("   {}, {} labels, {}, {}, all hashes right\n", info.task, with_thousands(info.labels.size()),
                  precision_name(info.precision), byte_size(sizes.all));
  Table table({{"rung"}, {"kind"}, {"size", true}, {"tokens at most", true}, {"policy"}});
  for (std::size_t i = 0; i < info.rungs.size(); ++i) {
    const BundleRung& rung = info.rungs[i];
    std::string kind(to_string(rung.kind));
    if (rung.exit_after > 0) kind += fmt::format(", after layer {}", rung.exit_after);
    table.add({rung.name, kind, byte_size(sizes.rungs[i]), rung.tokens_max == 0 ? "-" : with_thousands(rung.tokens_max),
               leaves(info.policy.stages[i], i + 1 == info.rungs.size())});
  }
  out += table.render(app.global.plain, 2);
  Paper paper(app.terminal.output_colour, app.global.plain ? 0 : app.terminal.columns);
  std::string labels;
  for (std::size_t i = 0; i < std::min(kLabelsShown, info.labels.size()); ++i)
    labels += (i > 0 ? ", " : "") + for_terminal(info.labels[i], 40);
  if (info.labels.size() > kLabelsShown) labels += fmt::format(", and {} more", info.labels.size() - kLabelsShown);
  paper.sentence("labels:", labels);
  if (info.speller != nullptr)
    paper.sentence("typos:",
                   fmt::format("words it has never seen are read as what they are likely slips of; it knows {} words",
                               with_thousands(info.speller->parts().words.size())));
  if (!bundle.certificate) {
    paper.sentence("not certified:", "nothing is claimed for its answers", Ink::kBad);
  } else {
    add_certificate(*bundle.certificate, paper);
  }
  return out + paper.take();
}

}  // namespace

int run_show(const ShowOptions& options, App& app) {
  auto bundle = Bundle::load(options.bundle);
  if (!bundle.ok()) return app.fail(bundle_error(std::move(bundle).error(), options.bundle));
  const auto sizes = measure(options.bundle, *bundle);
  if (!sizes.ok()) return app.fail(sizes.error());
  if (app.global.json)
    return finish_with(
        app, to_json(options.bundle, *bundle, *sizes).dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  return finish_with(app, to_text(options.bundle, *bundle, *sizes, app));
}

}  // namespace smidgen
