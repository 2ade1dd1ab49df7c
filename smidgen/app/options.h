// What a command line says, as plain structs: command_line.cc fills them, one file per verb reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "smidgen/learn/split.h"
#include "smidgen/tensor/precision.h"
#include "smidgen/text/record_reader.h"

namespace smidgen {

// Accepted before or after every verb.
struct GlobalOptions {
  std::uint64_t seed = 1;
  std::size_t threads = 0;  // 0: all usable cores (App::threads() resolves it)
  bool quiet = false, json = false, no_color = false, plain = false, no_input = false, no_settings = false;
};

// LABEL=VALUE of --recall and --precision; value in (0, 1).
struct LabelShare {
  std::string label;
  double value = 0;
};

struct PickOptions {
  std::string data;
  ReadOptions read;  // label_column "label", group_column, time_column; extra_column is --large-answers
  double accuracy = 0;
  std::string out;
  bool force = false;
  double confidence = 0.95;
  std::string risk = "selective";  // or "all"
  std::vector<LabelShare> recall, precision;
  std::optional<double> latency_ms_max, memory_mb_max, minutes_max, coverage_min;
  bool allow_uncertified = false;
  std::optional<SplitShares> split;
  std::string test;              // --test FILE: certify on this file
  std::string test_labels_from;  // who labelled that, where no column says it
  bool new_certification_split = false;
  std::vector<std::string> rungs;       // empty: all that can be trained
  bool exits = false;                   // rungs after inner layers of the encoder
  std::string encoder;                  // name or folder; empty: the default
  std::size_t tokens_max = 0;           // 0: the encoder's own
  std::optional<Precision> arithmetic;  // --precision f32|bf16|int8; none: the fastest that costs next to nothing
  std::optional<double> large_usd_per_1k_rows;
  std::string large_model, prices;  // empty: the dated list's default; --prices FILE replaces the list
  double usd_per_core_hour = 0.04;
  std::string typos = "repair";  // or "keep"
  std::string report;            // empty: NAME.report.html beside the bundle
  bool no_texts = false;         // no rows of the data in the report
};

struct TrainOptions {
  std::string data;
  ReadOptions read;
  std::string rung;  // "linear", "static", "encoder", "blend" or "all"
  std::string out;
  bool force = false;
  std::string encoder;
  std::size_t tokens_max = 0;
  std::optional<Precision> arithmetic;  // as for pick
  std::string typos = "repair";         // as for pick
  std::optional<double> minutes_max;
  std::string task;  // "question-answering" or "token-classification"; empty: labels, which is what `rung` is for
  // Of a task:
  std::size_t epochs = 0, window = 0;
  std::optional<std::size_t> stride;
  double held_out = 0.1;
};

struct RunOptions {
  std::string bundle;
  std::vector<std::string> files;  // empty: standard input
  ReadOptions read;
  std::vector<std::string> texts;  // --text: answers these instead of files
  std::string labels;              // --labels a,b,c or @FILE: `bundle` is an encoder, labels go by similarity
  std::string label_template;      // empty: the default
  std::size_t top = 0;
  bool with_text = false;
  std::optional<Precision> precision;  // of the encoder; none: the bundle's
  bool strict = false;
  std::string out;    // empty or "-": standard output
  std::string stats;  // JSON about the run: rows, seconds, memory
  bool force = false;
};

struct EvalOptions {
  std::string bundle, data;
  std::string predictions;  // CSV of every row's answer
  bool force = false;
  ReadOptions read;
};

struct AskOptions {
  std::string model;
  std::vector<std::string> questions;
  std::string passage;  // FILE, "-": standard input
  std::string file;     // --questions FILE
  std::size_t top = 1, window = 0, answer_tokens_max = 15;
  std::optional<std::size_t> stride;
  bool must_answer = false;
};

struct ShowOptions {
  std::string bundle;
};

struct PullOptions {
  std::string name;  // empty: list what can be pulled
  std::string out;   // demo data: the CSV file to write; "-": standard output
  bool force = false;
};

struct BenchOptions {
  std::string model;
  std::vector<std::size_t> tokens, batch;  // empty: 16, 32, 128, 512; 1
  std::string precision = "auto";
  bool together = false;  // all threads on one call
  double seconds = 0.5;   // for each line of the table
};

struct PlanOptions {
  std::vector<std::string> files;  // labelled and unlabelled rows, or unlabelled ones alone
  ReadOptions read;
  std::size_t rows = 100;
  double random_share = 0.25, accuracy = 0.9;
  std::string encoder;
  std::size_t tokens_max = 0;
  std::string out;  // empty or "-": standard output
  bool force = false;
};

struct DoctorOptions {};

using Command = std::variant<PickOptions, TrainOptions, EvalOptions, RunOptions, AskOptions, ShowOptions, PullOptions,
                             BenchOptions, PlanOptions, DoctorOptions>;

}  // namespace smidgen
