// The streaming heart of `run`: one reader thread, workers with a session each, answers written in input order.
//
//   source -> open batch -> [ready batches] -> workers -> [done batches] -> sink (calling thread, in order)
//
// Memory is constant: a fixed number of batches goes round, and a batch closes at kBatchRows rows or kBatchBytes bytes.
// Throughput and latency both: a worker takes full batches, but when nothing is full it waits 2 ms and then takes what
// has been read, so a slow or interactive input is answered row by row. Answers do not depend on the batching (a rung's
// score never depends on its neighbours), so the output is the same for every number of threads. What answers is a
// RowAnswerer: a bundle's classifier or a tagger of words.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/model/classifier.h"
#include "smidgen/model/tagger.h"
#include "smidgen/text/record_reader.h"

namespace smidgen {

inline constexpr std::size_t kBatchRows = 128, kBatchBytes = 256 << 10;

// Fills the record; false at the end of the input. Called from the reader thread only.
using RecordSource = std::function<Result<bool>(Record& record)>;
// Takes whole lines, in order. Called from the thread that called run_pipeline.
using LineSink = std::function<Status(std::string_view lines)>;

// What a worker made of a batch.
struct BatchAnswers {
  std::string lines;  // one a record, in order
  std::uint64_t bad = 0, escalated = 0, cut = 0, empty = 0, entities = 0;
  std::vector<std::uint64_t> rows_at_rung;
  std::string first_bad;  // what is wrong with the first bad row; foreign text
};

// Answers batches; each worker has one of its own.
class RowAnswerer {
 public:
  virtual ~RowAnswerer() = default;
  // Fills `out`, which is empty.
  virtual void answer(std::span<const Record> records, BatchAnswers& out) = 0;
};
using MakeAnswerer = std::function<std::unique_ptr<RowAnswerer>()>;  // called on the worker's thread

// What was written: each count is of the lines that the sink took.
struct PipelineCounts {
  std::uint64_t rows = 0;                   // lines written
  std::uint64_t bad = 0;                    // of these, rows that could not be read
  std::string first_bad;                    // what is wrong with the first of them; foreign text
  std::uint64_t escalated = 0;              // answered rows for the large model
  std::uint64_t cut = 0;                    // rows longer than tokens_max
  std::uint64_t empty = 0;                  // answered rows whose text is empty (is_empty_text)
  std::uint64_t entities = 0;               // of a tagger
  std::vector<std::uint64_t> rows_at_rung;  // that each rung answered; those for the large model are none's
};

struct PipelineOptions {
  std::size_t threads = 1;
  std::size_t cores = 1;       // that may answer one row together, when there are no others
  std::size_t top = 0;         // probabilities of this many labels on every line; 0: none
  bool with_text = false;      // the row's text on every line
  bool strict = false;         // the first bad row ends the run with its error
  PipelineCounts before = {};  // of an earlier part of this run, whose rows the source leaves out
  std::function<bool()> cancelled = {};
  // After every write, and about ten times a second; called from the thread that called run_pipeline.
  std::function<void(const PipelineCounts&)> written = {};
};

struct PipelineSummary : PipelineCounts {
  std::optional<Error> error;   // what ended the run early: source, sink, strict or cancelled
  bool reader_blocked = false;  // the reader thread was left behind in a read: end the process without joining it
};

PipelineSummary run_pipeline(RecordSource source, const MakeAnswerer& answerer, const PipelineOptions& options,
                             const LineSink& sink);

// What these answer with; the model must outlive it. A row that nobody else works beside gets the help of idle cores.
MakeAnswerer answer_with(const Classifier& classifier, const PipelineOptions& options);
MakeAnswerer answer_with(const Tagger& tagger, const PipelineOptions& options);

// One answer as a JSON line:
// {"id":..,["text":..,]"label":..,"confidence":..,"rung":..,"escalated":..[,"empty":true][,"certified":false]
//  [,"probabilities":{..}]}
// `empty`: the text says nothing (is_empty_text); the answer is what the bundle gives for it all the same, which is
// what was certified. `other_precision`: not that of the bundle, and so not what was certified.
void append_answer(std::string& out, const Record& record, const Answer& answer, const std::vector<std::string>& labels,
                   std::size_t top, bool other_precision = false, bool with_text = false);
// A bad row as a JSON line:
// {["id":..,]"line":..,"error":..,"label":null,"confidence":null,"rung":null,"escalated":true}
void append_bad_row(std::string& out, const Record& record);

// One text's entities as a JSON line:
// {"id":..,["text":..,]"entities":[{"label":..,"text":..,"start":..,"end":..,"score":..},..][,"empty":true]}
void append_entities(std::string& out, const Record& record, const TaggedText& tagged, bool with_text = false);
// {["id":..,]"line":..,"error":..,"entities":null}
void append_bad_tagged_row(std::string& out, const Record& record);

}  // namespace smidgen
