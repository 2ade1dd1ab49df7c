// What every reader must hold on any bytes, shared by the fuzzers of the data formats: what is read does not depend on
// how the bytes arrive, good rows are valid UTF-8, lines and offsets rise and lie inside the input, and errors say
// something.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "smidgen/base/utf8.h"
#include "smidgen/learn/split.h"
#include "smidgen/text/dataset.h"
#include "smidgen/text/record_reader_parts.h"

namespace smidgen::fuzz {

inline std::vector<std::string> read_all(std::string_view bytes, const std::string& name, const ReadOptions& options,
                                         std::size_t buffer_bytes, std::size_t record_bytes_max) {
  ReadLimits limits;
  limits.buffer_bytes = buffer_bytes;
  limits.record_bytes_max = record_bytes_max;
  auto reader = read_records(memory_byte_source(bytes), name, options, limits);
  if (!reader.ok()) return {reader.error().message()};
  std::vector<std::string> seen;
  Record record;
  std::uint64_t line = 0, byte = 0;
  for (;;) {
    const auto found = (*reader)->next(record);
    SMIDGEN_CHECK(found.ok());  // memory cannot fail
    if (!*found) return seen;
    SMIDGEN_CHECK(record.line > line && (line == 0 || record.byte > byte) && record.byte < bytes.size());
    line = record.line;
    byte = record.byte;
    const std::string_view before = bytes.substr(0, byte);
    SMIDGEN_CHECK(line == 1 + static_cast<std::uint64_t>(std::count(before.begin(), before.end(), '\n')));
    SMIDGEN_CHECK(!first_invalid_utf8(record.id_json));
    std::string row = std::to_string(line) + " " + record.id_json + " ";
    if (record.error) {
      SMIDGEN_CHECK(!record.error->what().empty() && record.error->line() && record.error->file() == name);
      SMIDGEN_CHECK(!first_invalid_utf8(record.error->message()));
      row += record.error->message();
    } else {
      for (const std::string* field : {&record.text, &record.label, &record.group, &record.time, &record.extra}) {
        SMIDGEN_CHECK(!first_invalid_utf8(*field) && field->size() <= record_bytes_max);
        row += *field + "\x1f";
      }
    }
    seen.push_back(std::move(row));
  }
}

inline void read_twice(std::string_view bytes, const std::string& name, ReadOptions options) {
  options.label_column = "label";
  const auto whole = read_all(bytes, name, options, 1 << 16, 1 << 20);
  SMIDGEN_CHECK(read_all(bytes, name, options, 1 + bytes.size() % 13, 1 << 20) == whole);
  SMIDGEN_CHECK(read_all(bytes, name, options, 1 << 16, 64) == read_all(bytes, name, options, 3, 64));
  const auto data = Dataset::from_memory(bytes, name, options);
  if (!data.ok()) {
    SMIDGEN_CHECK(data.error().kind() == ErrorKind::kBadData);
    return;
  }
  const DataReport report = report_on(*data);
  SMIDGEN_CHECK(report.rows == whole.size() && report.units == data->unit_keys.size());
  const auto split = make_split(*data, {});
  if (split.ok())
    SMIDGEN_CHECK(split->fit.size() + split->tune.size() + split->certify.size() + split->rows_unused == data->size());
}

}  // namespace smidgen::fuzz
