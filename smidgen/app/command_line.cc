#include "smidgen/app/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>

#include "smidgen/app/argument_words.h"
#include "smidgen/app/command_tree.h"
#include "smidgen/app/nearest.h"
#include "smidgen/app/option_checks.h"
#include "smidgen/app/verbs.h"
#include "smidgen/text/column_names.h"

namespace smidgen {

namespace {

// Values worth offering where others are right too: says them, refuses nothing.
CLI::Validator offers(const std::string& names) {
  return {[](const std::string&) { return std::string(); }, "{" + names + "}", "offers"};
}

const CLI::Validator kName(check_name, "", "name"), kShare(check_share, "SHARE", "share"),
    kHeldOut(check_held_out, "SHARE", "held out share"), kAccuracy(check_target_share, "SHARE", "accuracy"),
    kTarget(check_target, "LABEL=SHARE", "target"), kPrecision(check_precision, "{auto,f32,bf16,int8}", "precision"),
    kArithmetic(check_arithmetic, "{auto,f32,bf16,int8}", "arithmetic"),
    kAboveZero(check_positive, "NUMBER", "positive"), kSplit(check_split, "F/T/C", "split"),
    kDelimiter(check_delimiter, "CHARACTER", "delimiter");

CLI::Validator whole(std::uint64_t least, std::uint64_t most) {
  return {[=](std::string& text) { return read_whole(text, least, most); }, "", "whole"};
}

// ---- what each verb accepts; the structs keep what was said ----

// Raw strings that need more than a conversion; turned into options after parsing.
struct RawOptions {
  std::string format = "auto", delimiter, split;
  std::vector<std::string> recall, precision;
  std::string arithmetic = "auto";
};

void declare_globals(CLI::App& app, GlobalOptions& global) {
  app.add_option("--seed", global.seed, "seed of everything random [1]")
      ->transform(whole(0, UINT64_MAX))
      ->type_name("N");
  app.add_option("--threads", global.threads, "threads; the answers do not depend on it [all cores]")
      ->transform(whole(1, 1024))
      ->type_name("N");
  app.add_flag("--json", global.json, "print one JSON document");
  app.add_flag("--quiet,-q", global.quiet, "no progress and no summary");
  app.add_flag("--plain", global.plain, "tables as tab-separated text, no bars, no colour");
  app.add_flag("--no-color", global.no_color, "no colour (also: NO_COLOR, TERM=dumb)");
  app.add_flag("--no-input", global.no_input, "never ask or wait for the terminal");
  app.add_flag("--no-settings", global.no_settings, "read no smidgen.conf and no SMIDGEN_.. variables");
}

void declare_reading(CLI::App& verb, ReadOptions& read, RawOptions& raw, bool labelled) {
  verb.add_option("--format", raw.format, "csv, tsv, jsonl or lines [by extension]")
      ->check(CLI::IsMember({"auto", "csv", "tsv", "jsonl", "lines"}))
      ->type_name("FORMAT");
  verb.add_option("--delimiter", raw.delimiter, "between columns of CSV: a character, or tab [found in the header]")
      ->check(kDelimiter)
      ->type_name("C");
  verb.add_option("--text-column", read.text_column, "column or key of the text [text]")
      ->check(kName)
      ->type_name("NAME");
  if (!labelled) return;
  read.label_column = "label";
  verb.add_option("--label-column", read.label_column, "column or key of the label [label]")
      ->check(kName)
      ->type_name("NAME");
  verb.add_option("--soft-column", read.soft_column,
                  "column or key of a teacher's probabilities, {\"label\": p, ..}, as `run --top` writes them")
      ->check(kName)
      ->type_name("NAME");
  verb.add_option("--source-column", read.source_column,
                  "column or key that says who gave the label: human, or a model")
      ->check(kName)
      ->type_name("NAME");
  verb.add_option("--labels-from", read.labels_from, "who gave the labels, where no column says it: human, or a model")
      ->check(kName)
      ->type_name("NAME");
}

void declare_output(CLI::App& verb, std::string& out, bool& force) {
  verb.add_option("--out,-o", out, "folder of the bundle to write")->required()->check(kName)->type_name("DIR");
  verb.add_flag("--force", force, "replace an existing bundle");
}

void declare_encoder(CLI::App& verb, std::string& encoder, std::size_t& tokens_max) {
  verb.add_option("--encoder", encoder, "model name or folder [all-minilm-l6-v2]")->check(kName)->type_name("MODEL");
  verb.add_option("--tokens-max", tokens_max, "cut texts at this many tokens [the model's own]")
      ->transform(whole(2, 8192))
      ->type_name("N");
}

void declare_typos(CLI::App& verb, std::string& typos) {
  verb.add_option("--typos", typos,
                  "repair: read words nobody has seen as what they are likely slips of; keep [repair]")
      ->check(CLI::IsMember({"repair", "keep"}))
      ->type_name("T");
}

void declare_pick_limits(CLI::App& verb, PickOptions& o) {
  const auto number = [&](const char* name, std::optional<double>& value, const char* text) {
    verb.add_option(name, value, text)->check(kAboveZero)->type_name("X");
  };
  number("--latency-ms-max", o.latency_ms_max, "p99 of one row through the local policy, at most");
  number("--memory-mb-max", o.memory_mb_max, "peak memory of a run, at most");
  number("--minutes-max", o.minutes_max,
         "time for the pick; what the fast things leave of it fine-tunes the encoder [never]");
  verb.add_option("--coverage-min", o.coverage_min, "share of rows the bundle must answer itself")
      ->check(kShare)
      ->type_name("C");
  number("--large-usd-per-1k-rows", o.large_usd_per_1k_rows, "price of sending 1,000 rows to the large model");
  verb.add_option("--large-model", o.large_model, "large model whose dated price is used")
      ->check(kName)
      ->type_name("NAME");
  verb.add_option("--prices", o.prices, "another price list")->check(kName)->type_name("FILE");
  verb.add_option("--usd-per-core-hour", o.usd_per_core_hour, "price of own hardware [0.04]")
      ->check(kAboveZero)
      ->type_name("X");
}

void declare_pick(CLI::App& verb, PickOptions& o, RawOptions& raw) {
  verb.add_option("DATA", o.data, "labelled rows: CSV, TSV or JSON lines")->required()->check(kName);
  verb.add_option("--accuracy,-a", o.accuracy, "share of answers that must be right, such as 0.95")
      ->required()
      ->check(kAccuracy)
      ->type_name("A");
  declare_output(verb, o.out, o.force);
  declare_reading(verb, o.read, raw, true);
  verb.add_option("--group", o.read.group_column, "column whose rows belong together (thread, customer)")
      ->check(kName)
      ->type_name("COLUMN");
  verb.add_option("--time", o.read.time_column, "certify on the newest groups of this column")
      ->check(kName)
      ->type_name("COLUMN");
  verb.add_option("--confidence", o.confidence, "of the certificate [0.95]")->check(kAccuracy)->type_name("C");
  verb.add_option("--risk", o.risk, "selective: errors among local answers; all: among all rows [selective]")
      ->check(CLI::IsMember({"selective", "all"}))
      ->type_name("RISK");
  verb.add_option("--large-answers", o.read.extra_column, "column of the large model's answers, for --risk all")
      ->check(kName)
      ->type_name("COLUMN");
  verb.add_option("--recall", raw.recall, "share of this label's rows that must be found; repeatable")
      ->check(kTarget)
      ->allow_extra_args(false)
      ->type_name("LABEL=R");
  verb.add_option("--precision", raw.precision,
                  "share of answers with this label that must be right, repeatable; or the encoder's: auto, f32, bf16, "
                  "int8 [auto]")
      ->check(kPrecision)
      ->allow_extra_args(false)
      ->type_name("LABEL=P");
  declare_pick_limits(verb, o);
  verb.add_flag("--allow-uncertified", o.allow_uncertified,
                "write the bundle even when it cannot be certified (exit 1)");
  verb.add_option("--split", raw.split, "FIT/TUNE/CERTIFY in percent, such as 65/15/20")
      ->check(kSplit)
      ->type_name("F/T/C");
  verb.add_option("--test", o.test, "certify on this untouched file instead")->check(kName)->type_name("FILE");
  verb.add_option("--test-labels-from", o.test_labels_from, "who labelled that file: human, or a model")
      ->check(kName)
      ->type_name("NAME");
  verb.add_flag("--new-certification-split", o.new_certification_split, "draw other certification rows (recorded)");
  verb.add_option("--rungs", o.rungs, "rungs to try: linear,static,encoder [all]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"linear", "static", "encoder"}))
      ->type_name("LIST");
  verb.add_flag("--exits", o.exits,
                "try exits after inner layers of the encoder, too: rows that leave there take less time");
  declare_encoder(verb, o.encoder, o.tokens_max);
  declare_typos(verb, o.typos);
  verb.add_option("--report", o.report, "HTML report [NAME.report.html beside the bundle]")
      ->check(kName)
      ->type_name("FILE");
  verb.add_flag("--no-texts", o.no_texts, "no rows of the data in the report");
}

void declare_train_task(CLI::App& verb, TrainOptions& o) {
  verb.add_option("--task", o.task,
                  "instead of --rung: question-answering, on rows in the form of SQuAD; token-classification, on "
                  "words with tags")
      ->check(CLI::IsMember({"question-answering", "token-classification"}))
      ->type_name("TASK");
  verb.add_option("--epochs", o.epochs, "with --task: times every row is seen [by their number]")
      ->transform(whole(1, 1000))
      ->type_name("N");
  verb.add_option("--held-out", o.held_out,
                  "with --task: share of the passages or sentences to judge on, 0 for none [0.1]")
      ->check(kHeldOut)
      ->type_name("SHARE");
  verb.add_option("--window", o.window, "with --task: tokens read at once, question included [384; of sentences 256]")
      ->transform(whole(8, 8192))
      ->type_name("N");
  verb.add_option("--stride", o.stride, "with --task: tokens two windows of a long passage share [128]")
      ->transform(whole(0, 8192))
      ->type_name("N");
}

void declare_train(CLI::App& verb, TrainOptions& o, RawOptions& raw) {
  verb.add_option("DATA", o.data, "labelled rows: CSV, TSV or JSON lines")->required()->check(kName);
  verb.add_option("--rung", o.rung, "linear, static, encoder, blend, or all: one bundle of each in DIR")
      ->check(CLI::IsMember({"linear", "static", "encoder", "blend", "all"}))
      ->type_name("RUNG");
  declare_output(verb, o.out, o.force);
  declare_reading(verb, o.read, raw, true);
  declare_encoder(verb, o.encoder, o.tokens_max);
  declare_typos(verb, o.typos);
  verb.add_option("--precision", raw.arithmetic, "of the encoder: auto, f32, bf16, int8 [auto]")
      ->check(kArithmetic)
      ->type_name("P");
  verb.add_option("--minutes-max", o.minutes_max,
                  "time; what the fast things leave of it fine-tunes the encoder [never]")
      ->check(kAboveZero)
      ->type_name("X");
  declare_train_task(verb, o);
}

void declare_eval(CLI::App& verb, EvalOptions& o, RawOptions& raw) {
  verb.add_option("BUNDLE", o.bundle, "folder that pick or train wrote")->required()->check(kName);
  verb.add_option("DATA", o.data, "labelled rows: CSV, TSV or JSON lines")->required()->check(kName);
  declare_reading(verb, o.read, raw, true);
  verb.add_option("--predictions", o.predictions, "write every row's answer here as CSV")
      ->check(kName)
      ->type_name("FILE");
  verb.add_flag("--force", o.force, "replace an existing file");
}

void declare_run(CLI::App& verb, RunOptions& o, RawOptions& raw) {
  verb.add_option("BUNDLE", o.bundle,
                  "folder that pick or train wrote, or a model that tags words; with --labels, an encoder")
      ->required()
      ->check(kName);
  verb.add_option("FILES", o.files, "rows to answer; none or - is standard input")->check(kName);
  declare_reading(verb, o.read, raw, false);
  verb.add_option("--id-column", o.read.id_column, "column or key copied to the answer as id [id]")
      ->check(kName)
      ->type_name("NAME");
  verb.add_option("--text", o.texts, "answer this text; repeatable")->allow_extra_args(false)->type_name("TEXT");
  verb.add_option("--labels", o.labels, "answer by similarity to these labels, or @FILE; BUNDLE is then an encoder")
      ->check(kName)
      ->type_name("A,B,..");
  verb.add_option("--template", o.label_template, "with --labels: what a label stands in [This text is about {}.]")
      ->type_name("TEXT");
  verb.add_option("--top", o.top, "add the probabilities of the K likeliest labels")
      ->transform(whole(1, 65536))
      ->type_name("K");
  verb.add_flag("--with-text", o.with_text, "repeat the text on every line: what `train --soft-column` learns from");
  verb.add_option("--precision", raw.arithmetic, "of the encoder; another than the bundle's is not certified [auto]")
      ->check(kArithmetic)
      ->type_name("P");
  verb.add_flag("--strict", o.strict, "stop at the first bad row");
  verb.add_option("--out,-o", o.out,
                  "write answers here, whole or not at all; stopped, the same command goes on [standard output]")
      ->check(kName)
      ->type_name("FILE");
  verb.add_option("--stats", o.stats, "write rows, seconds, rows/s and peak memory here as JSON")
      ->check(kName)
      ->type_name("FILE");
  verb.add_flag("--force", o.force, "replace existing files");
}

void declare_ask(CLI::App& verb, AskOptions& o) {
  verb.add_option("MODEL", o.model, "folder of a model with a question-answering head")->required()->check(kName);
  verb.add_option("QUESTION", o.questions, "what to ask; repeatable");
  verb.add_option("--passage,-p", o.passage, "text to find the answer in, - for standard input")
      ->check(kName)
      ->type_name("FILE");
  verb.add_option("--questions", o.file, "one question a line; .jsonl: {question, passage}")
      ->check(kName)
      ->type_name("FILE");
  verb.add_option("--top", o.top, "the K best answers [1]")->transform(whole(1, 1000))->type_name("K");
  verb.add_flag("--must-answer", o.must_answer, "never say that the passage does not say");
  verb.add_option("--answer-tokens-max", o.answer_tokens_max, "of one answer [15]")
      ->transform(whole(1, 512))
      ->type_name("N");
  verb.add_option("--window", o.window, "tokens read at once, question included [384]")
      ->transform(whole(8, 8192))
      ->type_name("N");
  verb.add_option("--stride", o.stride, "tokens two windows of a long passage share [128]")
      ->transform(whole(0, 8192))
      ->type_name("N");
}

void declare_show(CLI::App& verb, ShowOptions& o) {
  verb.add_option("BUNDLE", o.bundle, "folder that pick or train wrote")->required()->check(kName);
}

void declare_pull(CLI::App& verb, PullOptions& o) {
  verb.add_option("NAME", o.name, "all-minilm-l6-v2, demo-sentiment or demo-kinds; none: say what there is")
      ->check(offers("all-minilm-l6-v2,demo-sentiment,demo-kinds"));
  verb.add_option("--out,-o", o.out, "demo data: CSV file to write, - for standard output [NAME.csv]")
      ->check(kName)
      ->type_name("FILE");
  verb.add_flag("--force", o.force, "replace an existing file; fetch again");
}

void declare_bench(CLI::App& verb, BenchOptions& o) {
  verb.add_option("MODEL", o.model, "encoder folder, bundle, or the name of a pulled model")->required()->check(kName);
  verb.add_option("--tokens", o.tokens, "lengths, special tokens included [16,32,128,512]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->transform(whole(1, 65536))
      ->type_name("LIST");
  verb.add_option("--batch", o.batch, "sequences of a call [1]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->transform(whole(1, 4096))
      ->type_name("LIST");
  verb.add_flag("--together", o.together, "all threads on one call, instead of calls of its own for each");
  verb.add_option("--precision", o.precision, "f32, bf16 or int8; auto: a bundle's own, else all [auto]")
      ->check(CLI::IsMember({"auto", "f32", "bf16", "int8"}))
      ->type_name("P");
  verb.add_option("--seconds", o.seconds, "for each line of the table [0.5]")->check(kAboveZero)->type_name("S");
}

void declare_plan(CLI::App& verb, PlanOptions& o, RawOptions& raw) {
  verb.add_option("FILES", o.files, "labelled rows, then unlabelled rows; or unlabelled rows alone")
      ->required()
      ->expected(1, 2)
      ->check(kName);
  verb.add_option("--rows,-n", o.rows, "rows to label next [100]")->transform(whole(1, 1000000))->type_name("N");
  verb.add_option("--accuracy,-a", o.accuracy, "coverage is estimated at this accuracy [0.9]")
      ->check(kAccuracy)
      ->type_name("A");
  verb.add_option("--random-share", o.random_share, "of the rows, drawn at random: certification needs them [0.25]")
      ->check(kShare)
      ->type_name("S");
  verb.add_option("--out,-o", o.out, "CSV file to write [standard output]")->check(kName)->type_name("FILE");
  verb.add_flag("--force", o.force, "replace an existing file");
  declare_reading(verb, o.read, raw, true);
  verb.add_option("--id-column", o.read.id_column, "column or key copied as id [id]")->check(kName)->type_name("NAME");
  declare_encoder(verb, o.encoder, o.tokens_max);
}

// ---- after parsing ----

DataFormat format_from(const std::string& name) {
  static const std::map<std::string, DataFormat> kFormats = {{"auto", DataFormat::kAuto},
                                                             {"csv", DataFormat::kCsv},
                                                             {"tsv", DataFormat::kTsv},
                                                             {"jsonl", DataFormat::kJsonl},
                                                             {"lines", DataFormat::kLines}};
  return kFormats.at(name);
}

void finish_reading(ReadOptions& read, const RawOptions& raw) {
  read.format = format_from(raw.format);
  read.delimiter = delimiter_from(raw.delimiter).value_or('\0');
}

std::vector<LabelShare> targets_from(const std::vector<std::string>& texts) {
  std::vector<LabelShare> targets;
  for (const std::string& text : texts) {
    const std::size_t at = text.rfind('=');
    targets.push_back({text.substr(0, at), std::strtod(text.c_str() + at + 1, nullptr)});
  }
  return targets;
}

// Standard input is there once.
Status check_streams(const std::vector<std::string>& files) {
  if (std::count(files.begin(), files.end(), "-") < 2) return Ok{};
  return Error::usage("standard input (-) is given more than once; it can be read once").hint("name a file");
}

Status finish_pick(PickOptions& o, const RawOptions& raw) {
  finish_reading(o.read, raw);
  o.recall = targets_from(raw.recall);
  std::vector<std::string> targets;
  for (const std::string& text : raw.precision) {
    if (text.find('=') == std::string::npos)
      o.arithmetic = precision_by_name(text);
    else
      targets.push_back(text);
  }
  o.precision = targets_from(targets);
  if (!raw.split.empty()) {
    SMIDGEN_ASSIGN(o.split, parse_split_shares(raw.split));
  }
  SMIDGEN_TRY(check_streams({o.data, o.test}));
  if (o.test.empty() && !o.test_labels_from.empty())
    return Error::usage("--test-labels-from says who labelled the file of --test, which is missing")
        .hint("add --test FILE, or say --labels-from");
  // Who labelled the data need not have labelled what certifies, and the certificate says whose labels it is about.
  if (!o.test.empty() && o.test_labels_from.empty() && !o.read.labels_from.empty() &&
      edit_distance(o.read.labels_from, kHumanSource) != 0)
    return Error::usage("--labels-from does not say who labelled " + o.test)
        .hint("add --test-labels-from human, or the name of the model that did");
  if (o.risk == "all" && o.read.extra_column.empty())
    return Error::usage("--risk all counts the large model's errors too, and so needs its answers")
        .hint("name their column with --large-answers COLUMN, or use --risk selective");
  if (o.risk != "all" && !o.read.extra_column.empty())
    return Error::usage("--large-answers does nothing without --risk all").hint("add that, or leave it out");
  if (o.exits && !o.rungs.empty() && std::find(o.rungs.begin(), o.rungs.end(), "encoder") == o.rungs.end())
    return Error::usage("--exits are of the encoder, which --rungs leaves out").hint("add encoder to --rungs");
  return Ok{};
}

Status finish_run(RunOptions& o, const RawOptions& raw, const GlobalOptions&) {
  finish_reading(o.read, raw);
  o.precision = precision_by_name(raw.arithmetic);
  if (!o.texts.empty() && !o.files.empty())
    return Error::usage("--text and FILES exclude each other").hint("give one of them");
  SMIDGEN_TRY(check_streams(o.files));
  if (!o.label_template.empty() && o.labels.empty())
    return Error::usage("--template says what the labels of --labels stand in").hint("give --labels A,B,..");
  return Ok{};
}

Status check_train(const TrainOptions& o) {
  if (o.task.empty() && o.rung.empty())
    return Error::usage("train: --rung is required (or --task)").hint("see `smidgen train -h`");
  if (!o.task.empty() && !o.rung.empty())
    return Error::usage("--task and --rung exclude each other").hint("a rung learns labels: leave out --task");
  return Ok{};
}

// ---- the tree ----

// What a validator says of the values: "FORMAT:{csv,tsv}" is FORMAT and its choices.
OptionText describe(const CLI::Option& option) {
  OptionText out;
  for (const std::string& name : option.get_snames()) out.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) out.names.push_back("--" + name);
  out.text = option.get_description();
  out.required = option.get_required();
  const std::string type = option.get_type_name();
  if (option.get_expected_max() > 0) out.value = out.names.empty() ? option.get_name() : type.substr(0, type.find(':'));
  out.repeats = option.get_items_expected_max() > 1;
  const std::size_t open = type.find('{'), close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return out;
  for (std::size_t at = open + 1; at < close;) {
    const std::size_t end = std::min(type.find(',', at), close);
    out.choices.push_back(type.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

CommandTree describe(CLI::App& app) {
  CommandTree tree;
  for (const CLI::Option* option : app.get_options()) tree.options.push_back(describe(*option));
  for (const VerbText& verb : kVerbs) {
    CommandText& command = tree.commands.emplace_back();
    command.name = verb.name;
    command.summary = verb.summary;
    command.examples = verb.examples;
    for (const CLI::Option* option : app.get_subcommand(command.name)->get_options())
      (option->get_positional() ? command.positionals : command.options).push_back(describe(*option));
  }
  return tree;
}

std::vector<std::string> verb_names() {
  std::vector<std::string> names;
  for (const VerbText& verb : kVerbs) names.emplace_back(verb.name);
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

Error no_option(const CLI::App& verb, const std::string& word) {
  return Error::usage("`" + verb.get_name() + "` has no option " + word.substr(0, 64));
}

// "-out x" is read as "-o ut x": a long option behind one dash is taken for what it looks like, never for that.
Status check_dashes(const std::vector<std::string>& arguments, const CLI::App& app, const CLI::App& verb) {
  for (const std::string& word : option_words(arguments, app, verb)) {
    const std::string name = word.substr(0, word.find('='));
    if (name[1] == '-' || name.size() < 3) continue;
    if (verb.get_option_no_throw("-" + name) != nullptr || app.get_option_no_throw("-" + name) != nullptr)
      return no_option(verb, name).hint("write it with two dashes: -" + name);
  }
  return Ok{};
}

// What --rung has no use for: `linear` knows no encoder, and `static` no more of it than its vectors.
bool is_idle(const std::string& name, const std::string& rung) {
  if (rung != "linear" && rung != "static") return false;
  static constexpr std::array kOfEncoder = {"--tokens-max", "--precision", "--minutes-max"};
  return std::count(kOfEncoder.begin(), kOfEncoder.end(), name) > 0 || (name == "--encoder" && rung == "linear");
}

// The forms of `train` take different options, and one that another form knows would do nothing.
Status check_form(const TrainOptions& o, const std::vector<std::string>& arguments, const CLI::App& app,
                  const CLI::App& verb) {
  static constexpr std::array kOfTasks = {"--epochs", "--held-out", "--window", "--stride"};
  static constexpr std::array kOfBoth = {"--task", "--rung", "--out", "--force", "--encoder", "--minutes-max"};
  for (const std::string& word : option_words(arguments, app, verb)) {
    const CLI::Option* option = option_of(word, app, verb);
    if (option == nullptr || option->get_lnames().empty()) continue;
    const std::string name = "--" + option->get_lnames().front();
    if (o.task.empty() && is_idle(name, o.rung))
      return Error::usage(name + " does nothing with --rung " + o.rung).hint("leave it out");
    if (app.get_option_no_throw(name) != nullptr || std::count(kOfBoth.begin(), kOfBoth.end(), name) > 0) continue;
    const bool of_tasks = std::count(kOfTasks.begin(), kOfTasks.end(), name) > 0;
    if (o.task.empty() && of_tasks) return Error::usage(name + " goes with --task").hint("leave it out");
    if (o.task.empty()) continue;
    if (!of_tasks || (name == "--stride" && o.task != "question-answering"))
      return Error::usage(name + " does nothing with --task " + o.task).hint("leave it out");
  }
  return Ok{};
}

// The first word that looks like an option and is none: the likeliest cause of whatever the parser complains about.
std::optional<Error> unknown_option(const std::vector<std::string>& arguments, const CLI::App& app,
                                    const CLI::App& verb) {
  std::vector<std::string> names = option_names(verb);
  for (std::string& name : option_names(app)) names.push_back(std::move(name));
  for (std::string& name : names) name.erase(0, 2);
  for (const std::string& word : option_words(arguments, app, verb)) {
    const std::string name = word.substr(0, word.find('='));
    const bool two_dashes = name.starts_with("--");
    if (two_dashes && option_of(name, app, verb) != nullptr) continue;
    std::vector<std::string> likely;
    if (two_dashes) likely = likely_names(name.substr(2), names);
    if (!two_dashes && name.size() > 4)
      if (const auto near = nearest(name.substr(1), names)) likely = {*near};
    if (!two_dashes && likely.empty()) continue;
    for (std::string& one : likely) one.insert(0, "--");
    return no_option(verb, name)
        .hint(likely.empty() ? "see `smidgen " + verb.get_name() + " -h`" : did_you_mean(likely));
  }
  return std::nullopt;
}

// The first option before the command that is not one of every command's.
std::optional<std::string> early_option(const std::vector<std::string>& arguments, const CLI::App& app) {
  const std::vector<std::string> known = option_names(app);
  for (const std::string& argument : arguments) {
    if (!argument.starts_with('-') || argument == "-q" || argument == "--") return std::nullopt;
    const std::string name = argument.substr(0, argument.find('='));
    if (std::find(known.begin(), known.end(), name) == known.end()) return name.substr(0, 64);
  }
  return std::nullopt;
}

Error unknown_command(const std::string& typed, const std::vector<std::string>& arguments, const CLI::App& app) {
  const std::vector<std::string> verbs = verb_names();
  const auto later = std::find_first_of(arguments.begin(), arguments.end(), verbs.begin(), verbs.end());
  if (const auto option = early_option(arguments, app); option && later != arguments.end())
    return Error::usage(*option + " stands before the command")
        .hint("write `smidgen " + *later + " .. " + *option + " ..`");
  std::string lower = typed.substr(0, 64);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  Error error = Error::usage("\"" + typed.substr(0, 64) + "\" is not a command");
  if (std::vector<std::string> likely = likely_names(lower, verbs); !likely.empty()) {
    for (std::string& one : likely) one = "`smidgen " + one + "`";
    return std::move(error).hint(did_you_mean(likely));
  }
  return std::move(error).hint("see `smidgen -h`");
}

// The parser's own words for the likeliest mistakes, in better ones: "--text: 1 required TEXT missing".
std::string in_our_words(const std::string& what) {
  const std::string name = what.substr(0, what.find(':'));
  if (what.find(": At Most 1 required") != std::string::npos) return name + " is given more than once";
  if (const std::size_t at = what.find(": At Most "), got = what.find(" but received "); got != std::string::npos)
    return "at most " + what.substr(at + 10, what.find(' ', at + 10) - at - 10) + " " + name + ", not" +
           what.substr(got + 13);
  if (const std::size_t at = what.find(": 1 required "); at != std::string::npos && what.ends_with(" missing"))
    return name + " needs a value, " + what.substr(at + 13, what.size() - at - 13 - 8);
  if (what.starts_with("Could not convert: --")) return what.substr(19, what.find(' ', 19) - 19) + " takes no value";
  return what;
}

Error parse_error(const CLI::ParseError& error, const std::vector<std::string>& arguments, const CLI::App& app,
                  const CLI::App& verb) {
  if (auto unknown = unknown_option(arguments, app, verb)) return *std::move(unknown);
  const std::string& command = verb.get_name();
  const std::string help = "see `smidgen " + command + " -h`";
  if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
    std::vector<std::string> extra = verb.remaining();
    for (const std::string& word : app.remaining()) extra.push_back(word);
    const std::string marked = extra.empty() ? "" : extra.front(), word = as_typed(marked).substr(0, 64);
    if (marked.size() > 1 && marked[0] == '-') return no_option(verb, word).hint(help);
    const auto options = verb.get_options();
    const bool takes_words =
        std::any_of(options.begin(), options.end(), [](const auto* o) { return o->get_positional(); });
    return Error::usage(command + ": \"" + word + "\" is one word too many")
        .hint(takes_words ? "quote texts and names with spaces; " + help : help);
  }
  const std::string what = error.what();
  const std::size_t guess = what.find("; did you mean");
  return Error::usage(command + ": " + in_our_words(what.substr(0, guess)))
      .hint(guess == std::string::npos ? help : what.substr(guess + 2));
}

// ---- settings ----

// The nearest setting of each option that the command has and the arguments leave open.
std::vector<Setting> settings_for(const std::vector<Setting>& settings, const std::vector<std::string>& typed,
                                  const CLI::App& app, const CLI::App& verb) {
  std::vector<Setting> used;
  for (const Setting& one : settings) {
    if (!one.section.empty() && one.section != verb.get_name()) continue;
    const CLI::Option* option = verb.get_option_no_throw("--" + one.key);
    if (option == nullptr) option = app.get_option_no_throw("--" + one.key);
    if (option == nullptr || is_given(*option, typed)) continue;
    if (std::none_of(used.begin(), used.end(), [&](const Setting& nearer) { return nearer.key == one.key; }))
      used.push_back(one);
  }
  return used;
}

bool mentions(const std::string& what, const Setting& one) {
  const std::string name = "--" + one.key;
  return what.starts_with(name + ":") || what.starts_with("Could not convert: " + name + " ");
}

Error setting_error(const std::string& what, const Setting& one) {
  const bool flag = what.starts_with("Could not");
  const std::size_t begin = flag ? std::string::npos : what.find(": ");
  Error error(ErrorKind::kConfig, "`" + one.key + "`: " +
                                      (flag ? one.value + " is neither true nor false"
                                            : what.substr(begin == std::string::npos ? 0 : begin + 2)));
  error = std::move(error).in(one.where).hint("correct it, or pass --no-settings");
  return one.line == 0 ? error : std::move(error).at_line(one.line);
}

struct Options {
  RawOptions raw;
  PickOptions pick;
  TrainOptions train;
  EvalOptions eval;
  RunOptions run;
  AskOptions ask;
  ShowOptions show;
  PullOptions pull;
  BenchOptions bench;
  PlanOptions plan;
  std::string shell;
};

void declare_all(CLI::App& app, GlobalOptions& global, Options& options) {
  app.set_help_flag();
  declare_globals(app, global);
  app.require_subcommand(0, 1);
  const auto verb = [&](const char* name) -> CLI::App& {
    CLI::App* sub = app.add_subcommand(name)->fallthrough();
    sub->set_help_flag();
    return *sub;
  };
  declare_pick(verb("pick"), options.pick, options.raw);
  declare_train(verb("train"), options.train, options.raw);
  declare_eval(verb("eval"), options.eval, options.raw);
  declare_run(verb("run"), options.run, options.raw);
  declare_ask(verb("ask"), options.ask);
  declare_show(verb("show"), options.show);
  declare_pull(verb("pull"), options.pull);
  declare_bench(verb("bench"), options.bench);
  declare_plan(verb("plan"), options.plan, options.raw);
  verb("doctor");
  verb("completion")
      .add_option("SHELL", options.shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  verb("man");
  take_as_typed(app);
}

// What is read of the command that was given; the others' options are empty.
Status check_no_input(const Options& o) {
  std::vector<std::string> inputs = {o.pick.data, o.pick.test,   o.pick.prices, o.train.data,
                                     o.eval.data, o.ask.passage, o.ask.file};
  for (const auto* files : {&o.run.files, &o.plan.files}) inputs.insert(inputs.end(), files->begin(), files->end());
  if (o.run.labels.starts_with('@')) inputs.push_back(o.run.labels.substr(1));
  const auto terminal = std::find_if(inputs.begin(), inputs.end(), reads_terminal);
  if (terminal == inputs.end()) return Ok{};
  return Error::usage((*terminal == "-" ? "standard input (-)" : *terminal) +
                      " is the terminal, and --no-input forbids that")
      .hint("name a file, or pipe the rows in");
}

Result<Command> chosen(const std::string& verb, Options& options, const GlobalOptions& global) {
  if (verb == "pick") {
    SMIDGEN_TRY(finish_pick(options.pick, options.raw));
    return Command(std::move(options.pick));
  }
  if (verb == "run") {
    SMIDGEN_TRY(finish_run(options.run, options.raw, global));
    return Command(std::move(options.run));
  }
  finish_reading(options.train.read, options.raw);
  options.train.arithmetic = precision_by_name(options.raw.arithmetic);
  finish_reading(options.eval.read, options.raw);
  finish_reading(options.plan.read, options.raw);
  if (verb == "train") {
    SMIDGEN_TRY(check_train(options.train));
    return Command(std::move(options.train));
  }
  if (verb == "plan") {
    SMIDGEN_TRY(check_streams(options.plan.files));
    return Command(std::move(options.plan));
  }
  if (verb == "eval") return Command(std::move(options.eval));
  if (verb == "ask") {
    SMIDGEN_TRY(check_streams({options.ask.passage, options.ask.file}));
    return Command(std::move(options.ask));
  }
  if (verb == "show") return Command(std::move(options.show));
  if (verb == "pull") return Command(std::move(options.pull));
  if (verb == "bench") return Command(std::move(options.bench));
  return Command(DoctorOptions{});
}

}  // namespace

Result<CommandLine> parse_command_line(const std::vector<std::string>& arguments, const SettingsSource& settings) {
  CommandLine line;
  auto options = std::make_unique<Options>();
  CLI::App app("smidgen");
  declare_all(app, line.global, *options);
  std::size_t at = verb_at(arguments);
  const bool asks_help = at < arguments.size() && arguments[at] == "help";
  if (asks_help) at = verb_at(arguments, at + 1);
  const auto typed = at < arguments.size() ? std::optional(arguments[at]) : std::nullopt;
  const auto known = std::find_if(kVerbs.begin(), kVerbs.end(), [&](const VerbText& v) { return typed == v.name; });
  const CLI::App& verb = known == kVerbs.end() ? app : *app.get_subcommand(std::string(known->name));
  const std::vector<std::string> options_typed = option_words(arguments, app, verb);
  const auto has = [&](const char* word) {
    return std::find(options_typed.begin(), options_typed.end(), word) != options_typed.end();
  };
  const bool help = asks_help || has("-h") || has("--help"), version = has("--version");
  if ((help || version) && typed && known == kVerbs.end()) return unknown_command(*typed, arguments, app);
  if (help) {
    const CommandTree tree = describe(app);
    line.text = known == kVerbs.end()
                    ? general_help(tree)
                    : command_help(tree, tree.commands[static_cast<std::size_t>(known - kVerbs.begin())]);
    return line;
  }
  if (version) {
    line.text = version_text();
    return line;
  }
  if (known == kVerbs.end()) {
    if (!typed) {
      if (const auto option = early_option(arguments, app))
        return Error::usage("no option " + *option + " without a command").hint("see `smidgen -h`");
      return Error::usage("no command given").hint("see `smidgen -h`");
    }
    return unknown_command(*typed, arguments, app);
  }
  SMIDGEN_TRY(check_dashes(arguments, app, verb));
  std::vector<Setting> used;
  if (known->name != "man" && known->name != "completion" && !has("--no-settings")) {
    SMIDGEN_ASSIGN(const std::vector<Setting> there, settings());
    used = settings_for(there, options_typed, app, verb);
  }
  const std::vector<std::string> words = words_for_parser(arguments, at, used, app, verb);
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them last first
  } catch (const CLI::ParseError& error) {
    for (const Setting& one : used)
      if (mentions(error.what(), one)) return setting_error(error.what(), one);
    return parse_error(error, arguments, app, verb);
  }
  if (known->name == "man") {
    line.text = manual_page(describe(app));
    return line;
  }
  if (known->name == "completion") {
    const auto script = options->shell == "bash"  ? bash_completion
                        : options->shell == "zsh" ? zsh_completion
                                                  : fish_completion;
    line.text = script(describe(app));
    return line;
  }
  if (line.global.no_input) SMIDGEN_TRY(check_no_input(*options));
  if (known->name == "train") SMIDGEN_TRY(check_form(options->train, arguments, app, verb));
  SMIDGEN_ASSIGN(line.command, chosen(std::string(known->name), *options, line.global));
  return line;
}

CommandTree command_tree() {
  GlobalOptions global;
  const auto options = std::make_unique<Options>();
  CLI::App app("smidgen");
  declare_all(app, global, *options);
  return describe(app);
}

}  // namespace smidgen
