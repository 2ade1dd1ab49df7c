// CSV and TSV: columns found by name in the first line, then one record at a time through CsvScanner.
#include <algorithm>
#include <cstring>
#include <utility>

#include "smidgen/base/json_write.h"
#include "smidgen/base/out_of_memory.h"
#include "smidgen/text/column_names.h"
#include "smidgen/text/csv_scanner.h"
#include "smidgen/text/record_reader_parts.h"
#include "smidgen/text/repair_command.h"

namespace smidgen {

namespace {

class DelimitedReader : public RecordReader {
 public:
  DelimitedReader(OpenedInput input, char own, char wanted)
      : input_(std::move(input)), own_(own), delimiter_(wanted != 0 ? wanted : own), scanner_(delimiter_) {}

  Status read_header(const ReadOptions& options);
  Result<bool> next(Record& record) override;
  char delimiter_found() const override { return found_ ? delimiter_ : '\0'; }

 private:
  struct Column {
    WantedColumn wanted;
    std::size_t index;
  };

  Status find_delimiter(const ReadOptions& options);
  void use_delimiter(char delimiter) {
    delimiter_ = delimiter;
    scanner_ = CsvScanner(delimiter);
  }
  Result<bool> scan_record(std::optional<Error>& error);
  Status skip_rest_of_record();
  void finish_record();
  std::optional<Error> fault_of_record() const;
  std::optional<Error> fault_of_bytes(std::string_view bytes) const;
  std::optional<Error> fault_of_count() const;
  void fill(Record& record, std::string_view bytes) const;
  bool is_blank() const {
    const auto& fields = scanner_.fields();
    return fields.size() == 1 && !fields[0].quoted && fields[0].begin == fields[0].end;
  }
  Error here(Error error) const {
    return std::move(error).in(input_.name).at_line(input_.line).at_byte(input_.window.offset());
  }

  OpenedInput input_;
  char own_;  // of the format
  char delimiter_;
  bool found_ = false;
  CsvScanner scanner_;
  std::vector<Column> columns_;
  std::size_t columns_in_header_ = 0;
};

// Scans the next record that is not a blank line; its bytes then stand at the start of the window. false: end of input.
// `error` is set when the record is too large; it is then behind us.
Result<bool> DelimitedReader::scan_record(std::optional<Error>& error) {
  ByteWindow& window = input_.window;
  for (;;) {
    scanner_.restart();
    if (window.unread().empty()) {
      if (window.at_end()) return false;
      SMIDGEN_TRY(window.more());
      continue;
    }
    while (scanner_.scan(window.unread(), window.at_end()) == CsvScanner::Outcome::kNeedMore) {
      if (window.unread().size() >= input_.limits.window_bytes_max()) {
        error = record_too_large(input_, input_.line, window.offset());
        if (scanner_.quote_open())
          error = std::move(*error).hint("the quote that opens on line " +
                                         std::to_string(input_.line + scanner_.quote_newlines()) +
                                         " is not closed within that; close it, or double quotes that are text");
        SMIDGEN_TRY(skip_rest_of_record());
        return true;
      }
      SMIDGEN_TRY(window.more());
    }
    if (!is_blank()) return true;
    finish_record();
  }
}

Status DelimitedReader::skip_rest_of_record() {
  ByteWindow& window = input_.window;
  do {
    window.consume(scanner_.size());
    scanner_.drop_seen();
    SMIDGEN_TRY(window.more());
  } while (scanner_.scan(window.unread(), window.at_end()) == CsvScanner::Outcome::kNeedMore);
  finish_record();
  return Ok{};
}

void DelimitedReader::finish_record() {
  ByteWindow& window = input_.window;
  std::size_t size = scanner_.size();
  std::uint64_t lines = scanner_.newlines();
  if (scanner_.fault() == CsvScanner::Fault::kUnterminatedQuote && size == window.unread().size()) {
    // Everything up to the end was swallowed. Most often one stray quote did it, so reading goes on at the next line.
    const std::size_t line_end = window.unread().find('\n', std::min(scanner_.fault_position(), size));
    if (line_end != std::string_view::npos) {
      size = line_end + 1;
      lines = scanner_.fault_newlines() + 1;
    }
  }
  window.consume(size);
  input_.line += lines;
}

std::optional<Error> DelimitedReader::fault_of_record() const {
  const auto placed = [&](Error error) {
    return std::move(error)
        .in(input_.name)
        .at_line(input_.line + scanner_.fault_newlines())
        .at_byte(input_.window.offset() + scanner_.fault_position());
  };
  switch (scanner_.fault()) {
    case CsvScanner::Fault::kTextAfterQuote:
      return placed(Error::bad_data("text after a closing quote").hint("write a quote inside a quoted field twice"));
    case CsvScanner::Fault::kUnterminatedQuote:
      return placed(Error::bad_data("unterminated quote: the field that opens here never closes")
                        .hint("close it, or put the whole field in quotes and double those inside"));
    case CsvScanner::Fault::kTooManyColumns:
      return placed(Error::bad_data("more than " + std::to_string(CsvScanner::kColumnsMax) + " columns"));
    case CsvScanner::Fault::kNone:
      break;
  }
  std::size_t content = scanner_.size();
  const std::string_view bytes = input_.window.unread();
  while (content > 0 && (bytes[content - 1] == '\n' || bytes[content - 1] == '\r')) --content;
  if (content > input_.limits.record_bytes_max) return record_too_large(input_, input_.line, input_.window.offset());
  return std::nullopt;
}

std::optional<Error> DelimitedReader::fault_of_bytes(std::string_view bytes) const {
  if (const void* found = std::memchr(bytes.data(), 0, bytes.size())) {
    const auto at = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
    const auto lines = std::count(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    return Error::bad_data("NUL byte")
        .in(input_.name)
        .at_line(input_.line + static_cast<std::uint64_t>(lines))
        .at_byte(input_.window.offset() + at)
        .hint("remove it with " +
              repair_command("tr -d '\\000'", input_.name, tagged_name(input_.name, "clean"), true));
  }
  return encoding_error(bytes, input_.line, input_.window.offset(), input_.name);
}

std::optional<Error> DelimitedReader::fault_of_count() const {
  const std::size_t got = scanner_.fields().size();
  if (got == columns_in_header_) return std::nullopt;
  const auto counted = [](std::size_t n) { return std::to_string(n) + (n == 1 ? " column" : " columns"); };
  Error error = Error::bad_data(counted(got) + ", but the header has " + counted(columns_in_header_));
  const std::string delimiter = delimiter_in_words(delimiter_);
  return here(std::move(error).hint(got > columns_in_header_
                                        ? "put a text that holds a " + delimiter + " in double quotes"
                                        : "an empty field still needs its " + delimiter));
}

void DelimitedReader::fill(Record& record, std::string_view bytes) const {
  std::string value;
  for (const Column& column : columns_) {
    const CsvField& field = scanner_.fields()[column.index];
    std::string_view raw = bytes.substr(field.begin, field.end - field.begin);
    if (column.wanted.is_label && !field.doubled) raw = trim_ascii(raw);
    if (column.wanted.is_id) {
      value.clear();
      append_csv_field(value, raw, field.doubled);
      append_json_string(record.id_json, value);
    } else {
      std::string& out = record.*column.wanted.member;
      out.clear();
      append_csv_field(out, raw, field.doubled);
      if (column.wanted.is_label && field.doubled) out = std::string(trim_ascii(out));
    }
  }
}

Result<bool> DelimitedReader::next(Record& record) try {
  forget_row(record);
  // A blank line moves the position, so the record's own place is known only after the scan.
  std::optional<Error> too_large;
  SMIDGEN_ASSIGN(const bool found, scan_record(too_large));
  if (!found) return false;
  if (too_large) {
    record.line = *too_large->line();
    record.byte = *too_large->offset();
    record.error = std::move(too_large);
    return true;
  }
  record.line = input_.line;
  record.byte = input_.window.offset();
  const std::string_view bytes = input_.window.unread().substr(0, scanner_.size());
  record.error = fault_of_record();
  if (!record.error) {
    record.error = fault_of_bytes(bytes);
    const auto wrong_count = fault_of_count();
    if (!wrong_count) fill(record, bytes);  // with bad bytes too: the row keeps its id
    if (!record.error) record.error = wrong_count;
  }
  finish_record();
  return true;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

// Spreadsheets of many countries write semicolons into .csv, and some a first line "sep=;". A header that is one column
// by the format's own delimiter would lack the text column, unless that is its whole name: so reading it by the
// delimiter that makes it several costs no file that could be read before.
Status DelimitedReader::find_delimiter(const ReadOptions& options) {
  ByteWindow& window = input_.window;
  constexpr std::string_view kSaid = "sep=";
  while (window.unread().size() < 7 && kSaid.starts_with(window.unread().substr(0, 4)) && !window.at_end())
    SMIDGEN_TRY(window.more());  // never waits for more than a file without that line needs
  const std::string_view start = window.unread();
  if (start.size() >= 6 && start.starts_with(kSaid) && (start[5] == '\n' || start.substr(5, 2) == "\r\n")) {
    const char said = start[4];
    window.consume(start[5] == '\n' ? 6 : 7);
    ++input_.line;
    if (options.delimiter != 0 || !can_delimit(said)) return Ok{};
    use_delimiter(said);
    found_ = said != own_;
    return Ok{};
  }
  if (options.delimiter != 0) return Ok{};
  for (const char candidate : {own_, ',', ';', '\t', '|'}) {
    use_delimiter(candidate);
    std::optional<Error> too_large;
    SMIDGEN_ASSIGN(const bool some, scan_record(too_large));
    if (!some || too_large) break;  // read_header says it
    const auto& fields = scanner_.fields();
    const std::string_view first = window.unread().substr(fields[0].begin, fields[0].end - fields[0].begin);
    if (candidate == own_ && fields.size() == 1 && trim_ascii(first) == options.text_column) break;
    if (scanner_.fault() != CsvScanner::Fault::kNone || fields.size() < 2) continue;
    found_ = candidate != own_;
    return Ok{};
  }
  use_delimiter(own_);
  return Ok{};
}

Status DelimitedReader::read_header(const ReadOptions& options) {
  SMIDGEN_TRY(find_delimiter(options));
  std::optional<Error> too_large;
  SMIDGEN_ASSIGN(const bool found, scan_record(too_large));
  if (!found)
    return Error::bad_data("is empty")
        .in(input_.name)
        .hint("the first line must name the columns, one row a line below");
  if (too_large) return *too_large;
  const std::string_view bytes = input_.window.unread().substr(0, scanner_.size());
  if (auto error = fault_of_record()) return *error;
  if (auto error = fault_of_bytes(bytes)) return *error;
  std::vector<std::string> names;
  for (const CsvField& field : scanner_.fields()) {
    std::string name;
    append_csv_field(name, bytes.substr(field.begin, field.end - field.begin), field.doubled);
    if (!field.quoted) name = std::string(trim_ascii(name));
    if (!field.quoted && name.find('\r') != std::string::npos)
      return here(Error::bad_data("lines end in CR only")
                      .hint("convert them with " +
                            repair_command("tr '\\r' '\\n'", input_.name, tagged_name(input_.name, "lf"), true)));
    names.push_back(std::move(name));
  }
  columns_in_header_ = names.size();
  std::vector<std::pair<std::string_view, std::size_t>> sorted;
  for (std::size_t i = 0; i < names.size(); ++i) sorted.emplace_back(names[i], i);
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 1; i < sorted.size(); ++i)
    if (!sorted[i].first.empty() && sorted[i].first == sorted[i - 1].first)
      return here(Error::bad_data("the header has the name " + quoted_for_message(sorted[i].first) +
                                  " twice (columns " + std::to_string(sorted[i - 1].second + 1) + " and " +
                                  std::to_string(sorted[i].second + 1) + ")")
                      .hint("rename one of them"));
  for (const WantedColumn& wanted : wanted_columns(options)) {
    const auto at =
        std::lower_bound(sorted.begin(), sorted.end(), std::pair(std::string_view(wanted.name), std::size_t{0}));
    if (at != sorted.end() && at->first == wanted.name)
      columns_.push_back({wanted, at->second});
    else if (wanted.required)
      return here(missing_name("column", wanted.name, names, wanted.flag));
  }
  finish_record();
  return Ok{};
}

}  // namespace

Result<std::unique_ptr<RecordReader>> make_delimited_reader(OpenedInput input, char own, const ReadOptions& options) {
  auto reader = std::make_unique<DelimitedReader>(std::move(input), own, options.delimiter);
  SMIDGEN_TRY(reader->read_header(options));
  return std::unique_ptr<RecordReader>(std::move(reader));
}

}  // namespace smidgen
