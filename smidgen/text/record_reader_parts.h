// What record_reader.cc is made of; for it and for tests, which force tiny buffers and small limits.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "smidgen/text/byte_window.h"
#include "smidgen/text/record_reader.h"

namespace smidgen {

struct ReadLimits {
  std::size_t buffer_bytes = 256 << 10;                                  // to start with
  std::size_t record_bytes_max = 16 << 20;                               // without its line end
  std::size_t window_bytes_max() const { return record_bytes_max + 4; }  // and room for CR LF, to see that it ends
};

// A window with its BOM dropped and the first bytes looked at.
struct OpenedInput {
  ByteWindow window;
  std::string name;
  ReadLimits limits;
  std::uint64_t line = 1;  // of window.unread()[0]
};

// What a row may lack would else be that of the row before.
inline void forget_row(Record& record) {
  record.error.reset();
  for (const auto member : {&Record::label, &Record::group, &Record::time, &Record::extra, &Record::soft,
                            &Record::source, &Record::id_json, &Record::sampled})
    (record.*member).clear();
}

// `own`: what the format's name promises; options.delimiter goes before it.
Result<std::unique_ptr<RecordReader>> make_delimited_reader(OpenedInput input, char own, const ReadOptions& options);
Result<std::unique_ptr<RecordReader>> make_jsonl_reader(OpenedInput input, const ReadOptions& options);
Result<std::unique_ptr<RecordReader>> make_lines_reader(OpenedInput input, const ReadOptions& options);

// The whole of RecordReader::open over any source. `name` gives the extension and stands in messages.
Result<std::unique_ptr<RecordReader>> read_records(std::unique_ptr<ByteSource> source, const std::string& name,
                                                   const ReadOptions& options, const ReadLimits& limits = {});

// "invalid UTF-8", placed, or nullopt: `record` starts at `byte` on `line`.
std::optional<Error> encoding_error(std::string_view record, std::uint64_t line, std::uint64_t byte,
                                    const std::string& name);
// "larger than the limit of ..".
Error record_too_large(const OpenedInput& input, std::uint64_t line, std::uint64_t byte);

}  // namespace smidgen
