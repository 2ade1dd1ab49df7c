// JSON lines and plain lines: one record a line.
#include <algorithm>
#include <utility>

#include "smidgen/base/json.h"
#include "smidgen/base/json_write.h"
#include "smidgen/base/out_of_memory.h"
#include "smidgen/text/column_names.h"
#include "smidgen/text/record_reader_parts.h"

namespace smidgen {

namespace {

// Cuts the window into lines; CR LF and LF both end one.
class LineScanner {
 public:
  explicit LineScanner(OpenedInput input) : input_(std::move(input)) {}

  // Consumes the last line, then finds the next: line(), number(), byte() describe it until the call after. false: end.
  // A line over the limit is skipped; too_large() then says so and line() is empty.
  Result<bool> advance();

  std::string_view line() const { return input_.window.unread().substr(0, content_); }
  std::uint64_t number() const { return number_; }
  std::uint64_t byte() const { return byte_; }
  const std::optional<Error>& too_large() const { return too_large_; }
  const std::string& name() const { return input_.name; }

 private:
  Status skip_line();

  OpenedInput input_;
  std::size_t content_ = 0, size_ = 0;  // of the current line, without and with its end
  std::uint64_t number_ = 0, byte_ = 0;
  std::optional<Error> too_large_;
};

Result<bool> LineScanner::advance() {
  ByteWindow& window = input_.window;
  window.consume(size_);
  content_ = size_ = 0;
  too_large_.reset();
  number_ = input_.line;
  byte_ = window.offset();
  std::size_t seen = 0;
  for (;;) {
    const std::string_view bytes = window.unread();
    const std::size_t end = bytes.find('\n', seen);
    if (end == std::string_view::npos && !window.at_end()) {
      seen = bytes.size();
      if (seen >= input_.limits.window_bytes_max()) {
        too_large_ = record_too_large(input_, number_, byte_);
        SMIDGEN_TRY(skip_line());
        return true;
      }
      SMIDGEN_TRY(window.more());
      continue;
    }
    if (bytes.empty()) return false;
    content_ = std::min(end, bytes.size());
    size_ = end == std::string_view::npos ? bytes.size() : end + 1;
    if (content_ > 0 && bytes[content_ - 1] == '\r') --content_;
    ++input_.line;
    if (content_ > input_.limits.record_bytes_max) {
      too_large_ = record_too_large(input_, number_, byte_);
      content_ = 0;
    }
    return true;
  }
}

Status LineScanner::skip_line() {
  ByteWindow& window = input_.window;
  ++input_.line;
  for (;;) {
    const std::string_view bytes = window.unread();
    const std::size_t end = bytes.find('\n');
    window.consume(end == std::string_view::npos ? bytes.size() : end + 1);
    if (end != std::string_view::npos || window.at_end()) return Ok{};
    SMIDGEN_TRY(window.more());
  }
}

class LinesReader : public RecordReader {
 public:
  explicit LinesReader(OpenedInput input) : lines_(std::move(input)) {}

  Result<bool> next(Record& record) override try {
    forget_row(record);
    SMIDGEN_ASSIGN(const bool found, lines_.advance());
    if (!found) return false;
    record.line = lines_.number();
    record.byte = lines_.byte();
    record.text.assign(lines_.line());
    record.error = lines_.too_large();
    if (!record.error) record.error = encoding_error(lines_.line(), record.line, record.byte, lines_.name());
    return true;
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  }

 private:
  LineScanner lines_;
};

class JsonlReader : public RecordReader {
 public:
  JsonlReader(OpenedInput input, const ReadOptions& options)
      : lines_(std::move(input)), wanted_(wanted_columns(options)) {}

  Result<bool> next(Record& record) override;

 private:
  Status fill(Record& record, std::string_view line) const;
  // number: the characters of a value that was too large for the parser and stands as a string now; or nothing.
  static Status take(Record& record, const WantedColumn& wanted, simdjson::dom::element value,
                     const std::string& number);

  LineScanner lines_;
  std::vector<WantedColumn> wanted_;
};

// The characters of `key` of the object `line` when that is a number, else nothing.
std::string number_of(std::string_view line, const std::string& key) {
  const simdjson::padded_string padded(line);
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
  simdjson::ondemand::value value;
  if (parser.iterate(padded).get(document) != simdjson::SUCCESS || document[key].get(value) != simdjson::SUCCESS ||
      value.type() != simdjson::ondemand::json_type::number)
    return "";
  return std::string(trim_ascii(value.raw_json_token()));
}

Result<bool> JsonlReader::next(Record& record) try {
  forget_row(record);
  do {
    SMIDGEN_ASSIGN(const bool found, lines_.advance());
    if (!found) return false;
  } while (!lines_.too_large() && trim_ascii(lines_.line()).empty());
  record.line = lines_.number();
  record.byte = lines_.byte();
  record.error = lines_.too_large();
  if (!record.error) record.error = encoding_error(lines_.line(), record.line, record.byte, lines_.name());
  if (record.error) return true;
  auto filled = fill(record, lines_.line());
  if (!filled.ok() && filled.error().kind() == ErrorKind::kIo) return std::move(filled).error();  // out of memory
  if (!filled.ok())
    record.error = std::move(filled).error().in(lines_.name()).at_line(record.line).at_byte(record.byte);
  return true;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

Status JsonlReader::fill(Record& record, std::string_view line) const {
  auto parsed = JsonDocument::parse(line);
  const bool large = !parsed.ok() && parsed.error().kind() == ErrorKind::kBadData;
  if (large)
    if (auto quoted = JsonDocument::parse(quote_large_numbers(line)); quoted.ok()) parsed = std::move(quoted);
  if (!parsed.ok() && parsed.error().kind() == ErrorKind::kIo) return std::move(parsed).error();  // out of memory
  if (!parsed.ok()) {
    const bool valid = !parsed.error().what().starts_with("not valid JSON");  // but a key stands twice
    const bool comma = trim_ascii(line).ends_with(',');
    return std::move(parsed).error().hint(valid   ? "remove one of them"
                                          : comma ? "write no comma between the objects"
                                                  : "write one whole JSON object a line");
  }
  const simdjson::dom::element root = parsed->root();
  if (!root.is_object())
    return Error::bad_data("a line must hold one JSON object").hint("write one such as {\"text\": \"..\"}");
  // Last to first: the id comes first, so that a row whose text is missing still has it.
  for (auto wanted = wanted_.rbegin(); wanted != wanted_.rend(); ++wanted) {
    simdjson::dom::element value;
    if (root.at_key(wanted->name).get(value) == simdjson::SUCCESS) {
      SMIDGEN_TRY(take(record, *wanted, value, large ? number_of(line, wanted->name) : ""));
      continue;
    }
    if (!wanted->required) continue;
    std::vector<std::string> keys;
    const simdjson::dom::object object = root.get_object().value_unsafe();
    for (const auto field : object) keys.emplace_back(field.key);
    return missing_name("key", wanted->name, keys, wanted->flag);
  }
  return Ok{};
}

Status JsonlReader::take(Record& record, const WantedColumn& wanted, simdjson::dom::element value,
                         const std::string& number) {
  std::string& out = record.*wanted.member;
  const bool is_text = wanted.member == &Record::text;
  out.clear();
  if (!number.empty() && !is_text) {
    out = number;
    return Ok{};
  }
  if (wanted.is_id) {
    if (!value.is_null()) out = simdjson::minify(value);
    return Ok{};
  }
  std::string_view text;
  if (number.empty() && value.get(text) == simdjson::SUCCESS) {
    out.assign(wanted.is_label ? trim_ascii(text) : text);
    return Ok{};
  }
  if (wanted.member == &Record::soft && value.is_object()) {
    out = simdjson::minify(value);
    return Ok{};
  }
  if (is_text || value.is_object() || value.is_array())
    return Error::bad_data(quoted_for_message(wanted.name) + " must be a " +
                           (is_text ? "string" : "string, a number or a boolean"));
  if (!value.is_null()) out = simdjson::minify(value);  // numbers and booleans become their JSON text
  return Ok{};
}

}  // namespace

Result<std::unique_ptr<RecordReader>> make_jsonl_reader(OpenedInput input, const ReadOptions& options) {
  return std::unique_ptr<RecordReader>(std::make_unique<JsonlReader>(std::move(input), options));
}

Result<std::unique_ptr<RecordReader>> make_lines_reader(OpenedInput input, const ReadOptions& options) {
  for (const WantedColumn& wanted : wanted_columns(options))
    if (wanted.member != &Record::text && wanted.required)
      return Error::bad_data("plain lines hold texts only, there is no column " + quoted_for_message(wanted.name))
          .in(input.name)
          .hint("name the file .csv, .tsv or .jsonl, or pass --format");
  return std::unique_ptr<RecordReader>(std::make_unique<LinesReader>(std::move(input)));
}

}  // namespace smidgen
