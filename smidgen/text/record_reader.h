// Streaming rows from CSV (RFC 4180), TSV, JSON lines or plain lines. Constant memory: one record at a time.
//
// Limits: a record <= 16 MiB, <= 65,536 columns. A BOM is dropped, CRLF and LF both end lines, quoted newlines are
// kept. A bad record (unterminated quote, invalid UTF-8, wrong number of columns, bad JSON, missing field, too large)
// is returned as a row that carries an Error with file, line and byte; reading goes on with the next record where that
// is possible. docs/data.md is the page for users: grammar, columns, limits.
//
//   SMIDGEN_ASSIGN(const auto reader, RecordReader::open("tickets.csv", {.label_column = "label"}));
//   for (Record record;;) {
//     SMIDGEN_ASSIGN(const bool found, reader->next(record));
//     if (!found) break;
//     if (record.error) .. else use(record.text, record.label);
//   }
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "smidgen/base/result.h"

namespace smidgen {

enum class DataFormat { kAuto, kCsv, kTsv, kJsonl, kLines };

struct ReadOptions {
  DataFormat format = DataFormat::kAuto;  // by extension; unknown extension or stdin: `{` first means jsonl, else lines
  std::string text_column = "text";
  std::string label_column = {};  // empty: labels are not read
  std::string id_column = {};     // empty: the column or key "id" when there is one
  std::string group_column = {};  // empty: none
  std::string time_column = {};   // empty: none
  std::string extra_column = {};  // e.g. --large-answers; empty: none
  // A teacher's probabilities, {"label": p, ..} as `run --top` writes them: a key's object, or its text in CSV. With it
  // the label column may be missing or empty. Empty: none.
  std::string soft_column = {};
  std::string source_column = {};  // who gave the label: "human" or a model's name; empty: none
  std::string labels_from = {};    // the same for every row that does not say it itself
  // Between the columns of CSV and TSV: any ASCII character but a quote or a line end. 0: the format's own, or, where
  // the header is then one column, whichever of , ; tab | makes it several.
  char delimiter = 0;
  // Asked while bytes of a file or of standard input are awaited; true ends the reading with kCancelled.
  std::function<bool()> cancelled = {};
};

// One row. Strings own their bytes. `error` set: the other fields but `line` and `id_json` are meaningless.
struct Record {
  // label: without surrounding ASCII white space; a JSON null reads as ""; soft: a JSON object, or "".
  std::string text, label, group, time, extra, soft, source;
  // The input's own id as JSON text: as it stands in JSON lines (42, "a"), always a string from CSV ("42": leading
  // zeros matter). Empty when the row has none.
  std::string id_json;
  std::string sampled;     // of the column or key "sampled", read with labels; empty when there is none
  std::uint64_t line = 0;  // 1-based line on which the record starts
  std::uint64_t byte = 0;  // offset of its first byte
  std::optional<Error> error;
};

class RecordReader {
 public:
  virtual ~RecordReader() = default;
  // Reads the next record into `record` (buffers are reused). false: end of input. The Status fails only when the
  // stream itself does.
  virtual Result<bool> next(Record& record) = 0;
  // The delimiter that the header gave away, where it is not the format's own; 0 otherwise.
  virtual char delimiter_found() const { return 0; }

  // path "-" is standard input. Fails on a missing file (kNoInput), a missing column or a duplicate header name
  // (kBadData; the message lists the columns there are and the nearest name).
  static Result<std::unique_ptr<RecordReader>> open(const std::string& path, const ReadOptions& options);
  // The same over bytes in memory; `name` stands in error messages. `bytes` must outlive the reader.
  static Result<std::unique_ptr<RecordReader>> from_memory(std::string_view bytes, const std::string& name,
                                                           const ReadOptions& options);
};

}  // namespace smidgen
