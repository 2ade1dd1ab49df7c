// A labelled data set in memory, with its units (see docs/certificates.md): the unit is a distinct normalised text, or
// a value of the group column. Rows keep file order.
//
//   SMIDGEN_ASSIGN(const Dataset data, Dataset::load("tickets.csv", {.group_column = "customer"}));
//   const DataReport report = report_on(data);
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/text/record_reader.h"
#include "smidgen/text/soft_labels.h"

namespace smidgen {

struct Dataset {
  static constexpr std::size_t kLabelsMax = 65536;
  static constexpr std::size_t kLabelBytesMax = 4096;
  static constexpr std::size_t kRowsMax = 0xfffffffe;

  std::string path;                      // as given
  std::vector<std::string> texts;        // valid UTF-8, as they stand in the file
  std::vector<std::uint32_t> labels;     // index into label_names
  std::vector<std::string> label_names;  // sorted bytewise; without surrounding ASCII white space
  std::vector<std::uint32_t> units;      // dense unit number of each row, by first appearance
  // What names each unit, the same in every file: unit_key(text) or, when grouped, the group value. Compare and hash
  // them, do not show them.
  std::vector<std::string> unit_keys;
  std::vector<std::string> times;   // empty without a time column
  std::vector<std::string> extras;  // empty without an extra column
  // 1: the row was chosen for its text (column "sampled" says "chosen"), so that it may be fitted on, never certified
  // on. Empty when no row was.
  std::vector<std::uint8_t> chosen;
  std::vector<std::uint64_t> lines;  // 1-based line of each row
  std::size_t rows_unlabelled = 0;   // at the end of the file, of those that `plan` asked for ("sampled"); left out
  // Where a teacher gave probabilities (ReadOptions::soft_column): of each row; without any it has no rows.
  SoftLabels soft;
  // Who gave each label, index into source_names (sorted); empty when nothing was said about it: people did.
  std::vector<std::uint32_t> sources;
  std::vector<std::string> source_names;
  std::string sha256;        // of the file's bytes
  std::uint64_t bytes = 0;   // file size
  bool grouped = false;      // units come from a group column
  char delimiter_found = 0;  // see RecordReader

  std::size_t size() const { return texts.size(); }

  // Strict: the first bad row is the error. An empty options.label_column means "label". Fails (kBadData, with the line
  // where there is one) when there are no rows, only one label, or a label, group or time is empty. The file is read
  // once, as a stream; "-" works.
  static Result<Dataset> load(const std::string& path, const ReadOptions& options);
  // The same over bytes in memory; `name` gives the format and stands in messages.
  static Result<Dataset> from_memory(std::string_view bytes, const std::string& name, const ReadOptions& options);
};

// What makes two texts the same unit: NFKC, case folded, ignorable characters (soft hyphens, joiners) dropped, white
// space collapsed and trimmed. Unicode 14 (utf8proc 2.8), NFKC_Casefold of UAX #44. Invalid UTF-8 comes back as it is.
std::string normalise_for_unit(std::string_view text);
// The same, slowly and plainly: the reference twin.
std::string normalise_for_unit_reference(std::string_view text);

// 15 bytes of the SHA-256 of the normalised text: 120 bits, beyond accident, and as many as fit a std::string without
// allocation, so that units cost 32 bytes and not a second copy of the file.
std::string unit_key(std::string_view text);

// The chosen rows in the order given, e.g. without conflicts. Labels and label_names stay (a label may become empty of
// rows); units are numbered anew.
Dataset select_rows(const Dataset& data, std::span<const std::uint32_t> rows);

// Rows of both, `a` first: labels and units are matched by name. Fails (kUsage) when only one of them is grouped, or
// has times or extras. path, sha256, bytes and lines are those of the files they came from; sha256 is that of both
// hashes.
Result<Dataset> merge_datasets(const Dataset& a, const Dataset& b);

// Rows of `data` whose unit also stands in `other`: what has to leave the training file when `other` certifies.
std::vector<std::uint32_t> rows_sharing_units(const Dataset& data, const Dataset& other);

// Whose labels these are. A row's source is what its source column says, else ReadOptions::labels_from, else, when it
// has probabilities, kUnnamedModel: whoever does not say that people labelled them gets no claim about people's labels.
inline constexpr std::string_view kHumanSource = "human", kUnnamedModel = "an unnamed model";
struct LabelSources {
  std::vector<std::uint32_t> human_rows;  // all of them when nothing was said
  std::size_t model_rows = 0;
  std::string models;  // "gpt-4o and claude"; empty without rows from models
};
LabelSources label_sources(const Dataset& data);

// A normalised text under more than one label: the row that came first and a later one with another label.
struct Conflict {
  std::uint32_t first_row, row;
};
// Every later row of such a text whose label differs from that of its first row, in file order.
std::vector<Conflict> find_conflicts(const Dataset& data);
// All rows but those whose normalised text stands under two labels or more.
std::vector<std::uint32_t> rows_without_conflicts(const Dataset& data);

// What a person should know before training on it.
struct DataReport {
  struct LabelCount {
    std::string label;
    std::size_t rows = 0, units = 0;
  };
  std::size_t rows = 0, units = 0;
  std::vector<LabelCount> labels;                      // most rows first
  double words_p50 = 0, words_p95 = 0, words_max = 0;  // white-space separated words a row
  std::size_t rows_repeated = 0;                       // rows whose normalised text stood before
  std::size_t rows_conflicting = 0;                    // rows whose normalised text also stands under another label
  std::vector<std::pair<std::uint64_t, std::uint64_t>> conflicts;  // first 20: line numbers of two such rows
  std::size_t rows_empty = 0;                                      // texts of white space only
  std::vector<std::string> warnings;                               // full sentences
};
DataReport report_on(const Dataset& data);

}  // namespace smidgen
