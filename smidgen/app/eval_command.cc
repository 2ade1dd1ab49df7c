// `eval`: what a bundle is worth on a labelled file.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string_view>

#include "smidgen/app/commands.h"
#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/keep_input.h"
#include "smidgen/app/load_data.h"
#include "smidgen/base/file.h"
#include "smidgen/base/open_error.h"
#include "smidgen/base/statistics.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/learn/evaluate.h"
#include "smidgen/model/classifier.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kChunk = 256, kClassesShown = 40, kConfusionsShown = 10, kUnknownShown = 5;

struct Answers {
  std::vector<std::uint32_t> labels;  // what the bundle said, also where it would escalate
  std::vector<float> confidences;
  std::vector<std::uint8_t> kept;  // answered locally
  std::uint64_t cut = 0;
};

Result<Answers> answer_all(const Classifier& classifier, const Dataset& data, App& app) {
  Answers out;
  out.labels.resize(data.size());
  out.confidences.resize(data.size());
  out.kept.resize(data.size());
  ThreadPool pool(app.threads());
  std::vector<Classifier::Session> sessions;
  for (std::size_t i = 0; i < pool.threads(); ++i) sessions.push_back(classifier.session());
  const Watcher watcher = make_watcher(app);
  const std::size_t chunks = (data.size() + kChunk - 1) / kChunk, step = 4 * pool.threads();
  for (std::size_t first = 0; first < chunks; first += step) {
    if (watcher.stop_requested()) return Error::cancelled();
    pool.parallel_for(std::min(step, chunks - first), [&](std::size_t index, std::size_t worker) {
      const std::size_t begin = (first + index) * kChunk, end = std::min(data.size(), begin + kChunk);
      const std::vector<std::string_view> texts(data.texts.begin() + static_cast<std::ptrdiff_t>(begin),
                                                data.texts.begin() + static_cast<std::ptrdiff_t>(end));
      const auto answers = sessions[worker].classify(texts);
      for (std::size_t i = 0; i < answers.size(); ++i) {
        out.labels[begin + i] = answers[i].decision.label;
        out.confidences[begin + i] = answers[i].decision.confidence;
        out.kept[begin + i] = !answers[i].decision.escalated;
      }
    });
    const double done = static_cast<double>(std::min(chunks, first + step)) / static_cast<double>(chunks);
    watcher.report("eval", done, with_thousands(data.size()) + " rows");
  }
  for (const auto& session : sessions) out.cut += session.rows_cut();
  return out;
}

// The file's labels as the bundle numbers them; those the bundle does not know come after its own.
std::vector<std::uint32_t> known_as(const Dataset& data, std::vector<std::string>& names) {
  std::map<std::string, std::uint32_t> numbers;
  for (const std::string& name : names) numbers.emplace(name, static_cast<std::uint32_t>(numbers.size()));
  std::vector<std::uint32_t> number_of;
  for (const std::string& name : data.label_names) {
    const auto [at, added] = numbers.emplace(name, static_cast<std::uint32_t>(names.size()));
    if (added) names.push_back(name);
    number_of.push_back(at->second);
  }
  std::vector<std::uint32_t> labels;
  for (const std::uint32_t label : data.labels) labels.push_back(number_of[label]);
  return labels;
}

struct Findings {
  std::vector<std::string> names;  // the bundle's labels, then unknown ones
  std::size_t labels_known = 0;
  Evaluation all;
  std::uint64_t kept = 0, kept_hits = 0;
  Interval interval, kept_interval;  // 95 %; rows of one unit count as the one thing they say
  CalibrationError calibration;
  std::uint64_t cut = 0, units = 0;

  double coverage() const {
    return static_cast<double>(kept) / static_cast<double>(std::max<std::uint64_t>(all.rows, 1));
  }
  double kept_accuracy() const {
    return static_cast<double>(kept_hits) / static_cast<double>(std::max<std::uint64_t>(kept, 1));
  }
};

Findings measure(const Bundle& bundle, const Dataset& data, const Answers& answers) {
  Findings f;
  f.names = bundle.info.labels;
  f.labels_known = f.names.size();
  const std::vector<std::uint32_t> labels = known_as(data, f.names);
  f.all = evaluate_answers(answers.labels, labels, f.names.size());
  std::vector<std::uint8_t> correct(labels.size()), kept_correct;
  std::vector<std::uint32_t> kept_units;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    correct[i] = answers.labels[i] == labels[i];
    if (answers.kept[i] == 0) continue;
    ++f.kept;
    f.kept_hits += correct[i];
    kept_correct.push_back(correct[i]);
    kept_units.push_back(data.units[i]);
  }
  f.interval = clustered_interval(correct, data.units, 0.95);
  f.kept_interval = clustered_interval(kept_correct, kept_units, 0.95);
  f.calibration = calibration_error(answers.confidences, correct);
  f.cut = answers.cut;
  f.units = data.unit_keys.size();
  return f;
}

Json to_json(const EvalOptions& options, const Dataset& data, const Findings& f) {
  Json classes = Json::array(), confusions = Json::array(), unknown = Json::array();
  for (std::size_t i = 0; i < f.names.size(); ++i) {
    const ClassScores& c = f.all.classes[i];
    classes.push_back({{"label", f.names[i]},
                       {"rows", c.support},
                       {"answered", c.answered},
                       {"precision", c.precision},
                       {"recall", c.recall},
                       {"f1", c.f1}});
    if (i >= f.labels_known) unknown.push_back(f.names[i]);
  }
  for (const Confusion& c : f.all.confusions)
    confusions.push_back({{"truth", f.names[c.truth]}, {"answer", f.names[c.answer]}, {"rows", c.rows}});
  Json root = {{"bundle", options.bundle},
               {"data", options.data},
               {"data_sha256", data.sha256},
               {"rows", f.all.rows},
               {"units", f.units},
               {"accuracy", f.all.accuracy},
               {"accuracy_low", f.interval.low},
               {"accuracy_high", f.interval.high},
               {"macro_f1", f.all.macro_f1},
               {"coverage", f.coverage()},
               {"selective_accuracy", nullptr},
               {"selective_accuracy_low", nullptr},
               {"selective_accuracy_high", nullptr},
               {"ece", f.calibration.equal_width},
               {"rows_cut", f.cut},
               {"labels_unknown", unknown},
               {"classes", classes},
               {"confusions", confusions}};
  if (f.kept > 0) {
    root["selective_accuracy"] = f.kept_accuracy();
    root["selective_accuracy_low"] = f.kept_interval.low;
    root["selective_accuracy_high"] = f.kept_interval.high;
  }
  const LabelSources sources = label_sources(data);
  root["labels_from"] = sources.model_rows > 0 ? Json(sources.models) : Json(nullptr);
  return root;
}

std::string summary_text(const EvalOptions& options, const Findings& f) {
  const auto interval = [](const Interval& i) {
    return "(" + rounded_down(i.low, 3) + " .. " + rounded_up(i.high, 3) + ")";
  };
  std::string out = fmt::format("{}   {}, {} distinct\n", for_terminal(options.data, 200),
                                counted(f.all.rows, "row", "rows"), with_thousands(f.units));
  out += fmt::format("  accuracy            {}  {}   answering every row itself\n", rounded_down(f.all.accuracy, 3),
                     interval(f.interval));
  out += fmt::format("  macro-F1            {}\n", rounded_down(f.all.macro_f1, 3));
  out += fmt::format("  answered            {}\n", answered_percent(f.coverage()));
  if (f.kept > 0)
    out += fmt::format("  right when answered {}  {}\n", rounded_down(f.kept_accuracy(), 3), interval(f.kept_interval));
  out += fmt::format("  calibration error   {}\n", rounded_up(f.calibration.equal_width, 3));
  if (f.cut > 0) out += fmt::format("  rows cut            {}\n", with_thousands(f.cut));
  return out;
}

std::string to_text(const EvalOptions& options, const Findings& f, bool plain) {
  std::string out = summary_text(options, f);
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < f.names.size(); ++i)
    if (f.all.classes[i].support + f.all.classes[i].answered > 0) order.push_back(i);
  // Worst first: that is where a reader looks.
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return f.all.classes[a].f1 < f.all.classes[b].f1; });
  const std::size_t shown = plain ? order.size() : std::min(order.size(), kClassesShown);
  Table classes({{"label"}, {"rows", true}, {"precision", true}, {"recall", true}, {"F1", true}});
  for (std::size_t i = 0; i < shown; ++i) {
    const ClassScores& c = f.all.classes[order[i]];
    classes.add({for_terminal(f.names[order[i]], 40), with_thousands(c.support), rounded_down(c.precision, 3),
                 rounded_down(c.recall, 3), rounded_down(c.f1, 3)});
  }
  out += "\n" + classes.render(plain, 2);
  if (shown < order.size()) out += fmt::format("  and {} better labels (--json has all)\n", order.size() - shown);
  if (f.all.confusions.empty()) return out;
  Table pairs({{"rows", true}, {"truth"}, {"answered as"}});
  for (std::size_t i = 0; i < std::min(kConfusionsShown, f.all.confusions.size()); ++i) {
    const Confusion& c = f.all.confusions[i];
    pairs.add({with_thousands(c.rows), for_terminal(f.names[c.truth], 40), for_terminal(f.names[c.answer], 40)});
  }
  return out + "\n" + pairs.render(plain, 2);
}

// --predictions FILE: what the bundle said to every row, in file order.
Status write_predictions(const std::string& path, const Bundle& bundle, const Dataset& data, const Answers& answers) {
  const auto quoted = [](const std::string& text) {
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
    return out + "\"";
  };
  std::string out = "line,label,answer,confidence,escalated\n";
  for (std::size_t i = 0; i < data.size(); ++i)
    out += fmt::format("{},{},{},{:.6f},{}\n", data.lines[i], quoted(data.label_names[data.labels[i]]),
                       quoted(bundle.info.labels[answers.labels[i]]), answers.confidences[i],
                       answers.kept[i] != 0 ? "false" : "true");
  return write_file_atomic(path, out);
}

// A file of which no label is one of the bundle's is another task's, or another column was meant.
Status check_labels_meet(const Bundle& bundle, const Dataset& data, const std::string& path) {
  const std::vector<std::string>& known = bundle.info.labels;
  const auto meets = [&](const std::string& name) {
    return std::find(known.begin(), known.end(), name) != known.end();
  };
  if (data.size() == 0 || std::any_of(data.label_names.begin(), data.label_names.end(), meets)) return Ok{};
  const auto some = [](const std::vector<std::string>& names) {
    std::string out;
    for (std::size_t i = 0; i < std::min(names.size(), kUnknownShown); ++i)
      out += fmt::format("{}\"{}\"", out.empty() ? "" : ", ", for_terminal(names[i], 40));
    return out + (names.size() > kUnknownShown
                      ? fmt::format(" and {} more", with_thousands(names.size() - kUnknownShown))
                      : "");
  };
  return Error::bad_data(fmt::format("none of its labels is one of the bundle's: {}", some(data.label_names)))
      .in(path)
      .hint(fmt::format("the bundle answers {}; --label-column names another column", some(known)));
}

// The rows a bundle was picked on are mostly those it was trained on.
void warn_of_known_rows(const Bundle& bundle, const Dataset& data, const App& app) {
  if (bundle.certificate && bundle.certificate->data_sha256 == data.sha256)
    app.warn(
        "the bundle was picked on this very file: it has learned from most of these rows, and new ones will be "
        "answered less well");
}

void warn_of_unknown_labels(const Findings& findings, const App& app) {
  const std::size_t unknown = findings.names.size() - findings.labels_known;
  if (unknown == 0) return;
  std::uint64_t rows = 0;
  std::string examples;
  for (std::size_t i = findings.labels_known; i < findings.names.size(); ++i) {
    const std::uint64_t own = findings.all.classes[i].support;
    rows += own;
    if (i - findings.labels_known < kUnknownShown)
      examples += fmt::format("{}\"{}\" ({})", examples.empty() ? "" : ", ", for_terminal(findings.names[i], 40),
                              with_thousands(own));
  }
  if (unknown > kUnknownShown) examples += fmt::format(" and {} more", with_thousands(unknown - kUnknownShown));
  app.warn(fmt::format("the bundle does not know {} of the file's labels, and the {} with {} count as wrong: {}",
                       with_thousands(unknown), counted(rows, "row", "rows"), unknown == 1 ? "it" : "them", examples));
}

}  // namespace

int run_eval(const EvalOptions& options, App& app) {
  const std::string inputs[] = {options.bundle, options.data};
  if (const Status status = check_names_a_file("--predictions", options.predictions); !status.ok())
    return app.fail(status.error());
  if (const Status status = keep_input(options.predictions, inputs); !status.ok()) return app.fail(status.error());
  if (const Status status = keep_existing(options.predictions, options.force); !status.ok())
    return app.fail(status.error());
  auto classifier = Classifier::open(options.bundle);
  if (!classifier.ok()) {
    const int code =
        app.fail(bundle_error(std::move(classifier).error(), options.bundle, options.data, "smidgen eval BUNDLE DATA"));
    std::error_code ignored;
    if (options.data != "-" && !std::filesystem::exists(options.data, ignored))
      app.fail(missing_file(open_error(options.data, ENOENT), options.data));
    return code;
  }
  const auto data = load_data(options.data, options.read, app);
  if (!data.ok()) return app.fail(data.error());
  if (const Status status = check_labels_meet(classifier->bundle(), *data, options.data); !status.ok())
    return app.fail(status.error());
  const auto answers = answer_all(*classifier, *data, app);
  if (!answers.ok()) return app.fail(answers.error());
  const Findings findings = measure(classifier->bundle(), *data, *answers);
  warn_of_known_rows(classifier->bundle(), *data, app);
  warn_of_unknown_labels(findings, app);
  if (const LabelSources sources = label_sources(*data); sources.model_rows > 0)
    app.warn(fmt::format("{} of {} labels are from {}: what is right there is agreement with it, not with people",
                         with_thousands(sources.model_rows), with_thousands(data->size()),
                         for_terminal(sources.models)));
  const int code = finish_with(
      app, app.global.json
               ? to_json(options, *data, findings).dump(1, ' ', false, Json::error_handler_t::replace) + "\n"
               : to_text(options, findings, app.global.plain));
  if (options.predictions.empty()) return code;
  const Status written = write_predictions(options.predictions, classifier->bundle(), *data, *answers);
  return written.ok() ? code : app.fail(written.error());
}

}  // namespace smidgen
