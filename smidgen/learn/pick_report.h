// PickReport: everything `pick` found out, as plain data. learn/ fills it; app/ turns it into a table, JSON, a model
// card and an HTML page. Texts in it come from fit and tune rows only, never from the rows that certify.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "smidgen/learn/label_cleaning.h"
#include "smidgen/model/bundle.h"
#include "smidgen/text/dataset.h"

namespace smidgen {

// One line of the table: a rung or a cascade, measured on the held-out units (one row each) on this machine.
struct PickRow {
  std::string name;                            // "majority", "linear", "static", "encoder", "cascade"
  std::vector<std::string> rungs;              // what it runs, in order; empty for "majority"
  bool blended = false;                        // its last stage stacks the scores of earlier rungs
  double accuracy = 0;                         // answering every held-out unit
  double accuracy_low = 0, accuracy_high = 0;  // 95 % Clopper-Pearson
  double macro_f1 = 0;
  double ece = 0;                      // expected calibration error, 15 equal-width bins (out-of-fold, on fit and tune)
  double us_p50 = 0, us_p99 = 0;       // microseconds a row, warm, one thread, one row at a time
  std::uint64_t bytes = 0;             // on disk
  double memory_mb = 0;                // peak resident size of a `run` with only this
  double train_seconds = 0;            // wall time spent on it, its choices included
  double usd_per_million = 0;          // own compute; for the chosen policy see PickReport::cost
  std::optional<double> p_value_next;  // exact McNemar test against the next line of the ladder; the last has none
  bool chosen = false;
};

// Coverage against risk of one candidate family: points sorted by coverage, from out-of-fold scores on the tune rows.
struct RiskCurve {
  std::string name;  // "linear", "linear -> encoder"
  std::vector<double> coverage, risk;
};

struct ReliabilityBin {
  double confidence = 0, accuracy = 0;  // means over the bin
  std::uint64_t rows = 0;
};

struct ConfusionPair {
  std::string truth, answer;
  std::uint64_t rows = 0;
};

struct ClassLine {
  std::string label;
  double precision = 0, recall = 0, f1 = 0;
  std::uint64_t units = 0;
};

// A row worth a person's look, from out-of-fold predictions on fit and tune rows.
struct NotableRow {
  std::uint64_t line = 0;  // in the data file
  std::string text;        // empty with --no-texts
  std::string label, answer;
  double confidence = 0;         // of `answer`
  double label_probability = 0;  // of the row's own label
};

// Why nothing was certified, and what would change it. All figures are estimates from the tune rows unless said
// otherwise.
struct Refusal {
  std::string reason;                          // one sentence
  std::optional<double> certifiable_accuracy;  // shown for the most promising policy (Clopper-Pearson at delta/2)
  std::optional<std::uint64_t> units_needed;   // to label for a --test file (beyond those of the given one) until
                                               // the target would pass with probability 0.8
  std::vector<std::string> advice;             // sentences: larger rung, lower target, more labels, a large model
  // Units that certification needs when none is wrong; set when there were fewer and nothing was trained. Exact.
  std::optional<std::uint64_t> units_at_least = {};
};

// Recall of a label among the units answered locally: printed beside a certified recall, where an escalated unit counts
// as found.
struct LocalRecall {
  std::string label;
  std::uint64_t n = 0, hits = 0;  // held-out units of the label that were answered locally; those answered right
};

struct PickCost {
  double usd_per_core_hour = 0;
  double large_usd_per_row = 0;
  std::string large_model, price_date;  // name and date of the price used; "--large-usd-per-1k-rows" when given by hand
  double tokens_in_per_row = 0, tokens_out_per_row = 0;
  double policy_usd_per_million = 0;  // own compute + escalated share at the large model's price
  double large_usd_per_million = 0;   // everything sent to the large model
};

struct PickReport {
  // What it ran on.
  DataReport data;
  std::string data_path, data_sha256;
  std::uint64_t seed = 0, threads = 0;
  std::string machine;  // "Intel(R) Xeon(R) Processor, avx512, 2 threads"
  std::string version;

  // How the rows were divided.
  std::uint64_t rows_fit = 0, rows_tune = 0, rows_certify = 0, units_fit = 0, units_tune = 0, units_certify = 0;
  std::uint64_t rows_unused = 0;  // of the certify units: of each unit one row counts
  std::string certify_path;       // --test FILE; empty: a part of the data
  std::string unit;               // "distinct text" or "value of column `thread`"
  std::string split_salt;
  std::uint64_t attempts = 1;
  std::vector<std::string> labels_too_few;  // to certify: nothing is claimed for them
  // A model, when its labels certify: every accuracy here is then agreement with it. Empty: people's labels.
  std::string labels_from;
  std::optional<LabelTreatment> label_treatment;  // where a model gave some labels of fit and tune; without targets
  std::vector<NotableRow> label_doubts;           // its doubts by line of the file, without texts

  // What was asked.
  double accuracy_target = 0, confidence = 0.95;
  std::string risk;  // "selective" or "all"

  // What came out.
  std::vector<PickRow> rows;  // majority first, then the ladder, then the cascade
  bool certified = false;
  std::string bundle;             // folder written, empty when none was
  std::string policy;             // "linear -> encoder"
  bool repairs_typos = false;     // every text was and is read by a speller first (text/spelling.h)
  double coverage = 0;            // share of the held-out units answered locally
  double selective_accuracy = 0;  // right among the answered
  std::optional<Certificate> certificate;
  std::vector<LocalRecall> local_recalls;  // one for each recall target
  std::optional<Refusal> refusal;
  PickCost cost;
  std::uint64_t rows_cut = 0;  // held-out rows longer than the encoder's tokens_max
  std::uint64_t tokens_max = 0;
  std::vector<std::string> notes;  // sentences a user should read

  // For the page.
  std::string page;  // where it was written; empty: beside the bundle under its name
  std::vector<RiskCurve> curves;
  std::vector<ReliabilityBin> reliability;        // of the chosen policy's last stage, out-of-fold
  std::vector<ConfusionPair> confusions;          // most frequent first, at most 20 (out-of-fold on fit and tune)
  std::vector<ClassLine> classes;                 // held-out units
  std::vector<NotableRow> hardest, label_errors;  // at most 20 each
  double seconds = 0;                             // the whole pick
};

}  // namespace smidgen
