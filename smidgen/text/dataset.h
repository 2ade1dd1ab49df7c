// A labelled data set in memory, with its units (see docs/certificates.md): the unit is a distinct normalised text, or
// a value of the group column. Rows keep file order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "smidgen/base/result.h"
#include "smidgen/text/record_reader.h"

namespace smidgen {

struct Dataset {
  std::string path;                      // as given
  std::vector<std::string> texts;        // valid UTF-8
  std::vector<std::uint32_t> labels;     // index into label_names
  std::vector<std::string> label_names;  // sorted bytewise
  std::vector<std::uint32_t> units;      // dense unit number of each row, by first appearance
  std::vector<std::string> unit_keys;    // normalised text or group value of each unit
  std::vector<std::string> times;        // empty without a time column
  std::vector<std::string> extras;       // empty without an extra column
  std::vector<std::uint64_t> lines;      // 1-based line of each row
  std::string sha256;                    // of the file's bytes
  std::uint64_t bytes = 0;               // file size
  bool grouped = false;                  // units come from a group column

  std::size_t size() const { return texts.size(); }

  // Strict: the first bad row is the error. Fails (kBadData) when there are no rows, only one label, or a label is
  // empty.
  static Result<Dataset> load(const std::string& path, const ReadOptions& options);
};

// What makes two texts the same unit: NFKC, case folded, white space collapsed and trimmed.
std::string normalise_for_unit(std::string_view text);

// What a person should know before training on it.
struct DataReport {
  struct LabelCount {
    std::string label;
    std::size_t rows = 0, units = 0;
  };
  std::size_t rows = 0, units = 0;
  std::vector<LabelCount> labels;                      // most rows first
  double words_p50 = 0, words_p95 = 0, words_max = 0;  // white-space separated words a row
  std::size_t rows_repeated = 0;                       // rows whose text stood before
  std::size_t rows_conflicting = 0;                    // rows whose normalised text also stands under another label
  std::vector<std::pair<std::uint64_t, std::uint64_t>> conflicts;  // first 20: line numbers of two such rows
  std::size_t rows_empty = 0;                                      // texts of white space only
  std::vector<std::string> warnings;                               // full sentences
};
DataReport report_on(const Dataset& data);

}  // namespace smidgen
