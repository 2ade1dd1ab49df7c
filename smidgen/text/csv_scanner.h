// Finds the fields of one delimited record (RFC 4180): the fast inner loop of CSV and TSV. It knows bytes only: no
// columns, no encodings, no I/O. A scan that runs out of bytes keeps its place, so a record is looked at once however
// it is cut into pieces.
//
// Grammar, where RFC 4180 leaves a choice:
//   a quote opens a quoted field only as the field's first byte; elsewhere in an unquoted field it is text (5" disk);
//   after the closing quote only a delimiter or the end of the record may follow;
//   a record ends at LF, CR LF or the end of input; a lone CR is text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace smidgen {

// One field; offsets count from the record's first byte and exclude the quotes.
struct CsvField {
  std::uint32_t begin = 0, end = 0;
  bool quoted = false;
  bool doubled = false;  // holds "" pairs, each meaning one quote
};

class CsvScanner {
 public:
  static constexpr std::size_t kColumnsMax = 65536;

  enum class Outcome { kNeedMore, kRecord };
  enum class Fault { kNone, kTextAfterQuote, kUnterminatedQuote, kTooManyColumns };

  explicit CsvScanner(char delimiter) : delimiter_(delimiter) {}

  // Forgets everything: the next scan() starts at a record.
  void restart();
  // `bytes` starts at the record's first byte and is the bytes of the last call plus more. at_end: nothing follows.
  // kRecord: size() bytes belong to the record, its line end included.
  Outcome scan(std::string_view bytes, bool at_end);
  // For a record too large to keep: from now on no fields are collected, and the bytes seen so far (size()) may be
  // dropped, so that the next scan() gets only what came after them.
  void drop_seen();

  const std::vector<CsvField>& fields() const { return fields_; }
  std::size_t size() const { return position_; }
  std::uint64_t newlines() const { return newlines_; }  // line ends passed, the record's own included
  bool quote_open() const { return phase_ == Phase::kQuoted; }
  std::uint64_t quote_newlines() const { return quote_newlines_; }  // line ends before the last opening quote
  std::size_t quote_position() const { return quote_position_; }

  Fault fault() const { return fault_; }  // the first thing wrong; the record's extent is still right
  std::size_t fault_position() const { return fault_position_; }
  std::uint64_t fault_newlines() const { return fault_newlines_; }

 private:
  enum class Phase { kFieldStart, kPlain, kQuoted, kQuoteSeen };

  void end_field(std::size_t end);
  void blame(Fault fault, std::size_t position, std::uint64_t newlines);
  bool scan_plain(std::string_view bytes, bool at_end, bool& done);
  bool scan_quoted(std::string_view bytes, bool at_end, bool& done);
  bool scan_after_quote(std::string_view bytes, bool at_end, bool& done);

  char delimiter_;
  Phase phase_ = Phase::kFieldStart;
  bool dropping_ = false, field_quoted_ = false, field_doubled_ = false;
  std::size_t position_ = 0, field_begin_ = 0, quote_position_ = 0, fault_position_ = 0;
  std::uint64_t newlines_ = 0, quote_newlines_ = 0, fault_newlines_ = 0;
  Fault fault_ = Fault::kNone;
  std::vector<CsvField> fields_;
};

// Appends a field's value: `raw` with each "" read as one quote when `doubled`.
void append_csv_field(std::string& out, std::string_view raw, bool doubled);

// Position of the first `a` or `b` in `text` at or after `from`, text.size() when there is none: eight bytes a step.
std::size_t find_either(std::string_view text, std::size_t from, char a, char b);

}  // namespace smidgen
