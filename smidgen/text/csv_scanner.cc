#include "smidgen/text/csv_scanner.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace smidgen {

namespace {

static_assert(std::endian::native == std::endian::little, "find_either counts matching bytes from the low end");

constexpr std::uint64_t kOnes = 0x0101010101010101ULL;
constexpr std::uint64_t kHighs = 0x8080808080808080ULL;

// High bit set in (at least) the lowest zero byte of `word` and in no byte below it (Mycroft's trick).
std::uint64_t lowest_zero_byte(std::uint64_t word) {
  return (word - kOnes) & ~word & kHighs;
}

std::uint64_t count_newlines(const char* begin, const char* end) {
  std::uint64_t count = 0;
  while (begin < end) {
    const void* found = std::memchr(begin, '\n', static_cast<std::size_t>(end - begin));
    if (found == nullptr) break;
    ++count;
    begin = static_cast<const char*>(found) + 1;
  }
  return count;
}

}  // namespace

std::size_t find_either(std::string_view text, std::size_t from, char a, char b) {
  const std::uint64_t all_a = kOnes * static_cast<unsigned char>(a);
  const std::uint64_t all_b = kOnes * static_cast<unsigned char>(b);
  std::size_t at = from;
  for (; at + 8 <= text.size(); at += 8) {
    std::uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    const std::uint64_t found = lowest_zero_byte(word ^ all_a) | lowest_zero_byte(word ^ all_b);
    if (found != 0) return at + static_cast<std::size_t>(std::countr_zero(found)) / 8;
  }
  while (at < text.size() && text[at] != a && text[at] != b) ++at;
  return at;
}

void append_csv_field(std::string& out, std::string_view raw, bool doubled) {
  if (!doubled) {
    out.append(raw);
    return;
  }
  for (;;) {
    const std::size_t quote = raw.find('"');
    if (quote == std::string_view::npos) break;
    out.append(raw.substr(0, quote + 1));
    raw.remove_prefix(std::min(quote + 2, raw.size()));
  }
  out.append(raw);
}

void CsvScanner::restart() {
  phase_ = Phase::kFieldStart;
  dropping_ = field_quoted_ = field_doubled_ = false;
  position_ = field_begin_ = quote_position_ = fault_position_ = 0;
  newlines_ = quote_newlines_ = fault_newlines_ = 0;
  fault_ = Fault::kNone;
  fields_.clear();
}

void CsvScanner::drop_seen() {
  dropping_ = true;
  fields_.clear();
  position_ = field_begin_ = 0;
}

void CsvScanner::blame(Fault fault, std::size_t position, std::uint64_t newlines) {
  if (fault_ != Fault::kNone) return;
  fault_ = fault;
  fault_position_ = position;
  fault_newlines_ = newlines;
}

void CsvScanner::end_field(std::size_t end) {
  if (!dropping_) {
    if (fields_.size() < kColumnsMax)
      fields_.push_back(
          {static_cast<std::uint32_t>(field_begin_), static_cast<std::uint32_t>(end), field_quoted_, field_doubled_});
    else
      blame(Fault::kTooManyColumns, field_begin_, newlines_);
  }
  field_quoted_ = field_doubled_ = false;
  phase_ = Phase::kFieldStart;
}

CsvScanner::Outcome CsvScanner::scan(std::string_view bytes, bool at_end) {
  bool done = false;
  for (;;) {
    bool enough = true;  // false: the bytes ran out before something was decided
    if (phase_ == Phase::kFieldStart) {
      if (position_ == bytes.size() && !at_end) return Outcome::kNeedMore;
      field_begin_ = position_;
      phase_ = Phase::kPlain;
      if (position_ < bytes.size() && bytes[position_] == '"') {
        quote_position_ = position_;
        quote_newlines_ = newlines_;
        field_begin_ = ++position_;
        field_quoted_ = true;
        phase_ = Phase::kQuoted;
      }
    }
    if (phase_ == Phase::kPlain)
      enough = scan_plain(bytes, at_end, done);
    else if (phase_ == Phase::kQuoted)
      enough = scan_quoted(bytes, at_end, done);
    else
      enough = scan_after_quote(bytes, at_end, done);
    if (!enough) return Outcome::kNeedMore;
    if (done) return Outcome::kRecord;
  }
}

bool CsvScanner::scan_plain(std::string_view bytes, bool at_end, bool& done) {
  position_ = find_either(bytes, position_, delimiter_, '\n');
  if (position_ == bytes.size()) {
    if (!at_end) return false;
    done = true;
    end_field(position_ > field_begin_ && bytes[position_ - 1] == '\r' ? position_ - 1 : position_);
    return true;
  }
  if (bytes[position_] == delimiter_) {
    end_field(position_++);
    return true;
  }
  done = true;
  end_field(position_ > field_begin_ && bytes[position_ - 1] == '\r' ? position_ - 1 : position_);
  ++position_;
  ++newlines_;
  return true;
}

bool CsvScanner::scan_quoted(std::string_view bytes, bool at_end, bool& done) {
  const char* from = bytes.data() + position_;
  const char* end = bytes.data() + bytes.size();
  const void* found = from == end ? nullptr : std::memchr(from, '"', static_cast<std::size_t>(end - from));
  const char* stop = found == nullptr ? end : static_cast<const char*>(found);
  newlines_ += count_newlines(from, stop);
  position_ += static_cast<std::size_t>(stop - from);
  if (found != nullptr) {
    ++position_;
    phase_ = Phase::kQuoteSeen;
    return true;
  }
  if (!at_end) return false;
  blame(Fault::kUnterminatedQuote, quote_position_, quote_newlines_);
  end_field(position_);
  done = true;
  return true;
}

bool CsvScanner::scan_after_quote(std::string_view bytes, bool at_end, bool& done) {
  const std::size_t close = position_ - 1;
  if (position_ == bytes.size()) {
    if (!at_end) return false;
    done = true;
    end_field(close);
    return true;
  }
  const char next = bytes[position_];
  if (next == '"') {
    field_doubled_ = true;
    ++position_;
    phase_ = Phase::kQuoted;
    return true;
  }
  if (next == delimiter_) {
    end_field(close);
    ++position_;
    return true;
  }
  std::size_t line_end = next == '\n' ? 1 : 0;
  if (next == '\r') {
    if (position_ + 1 == bytes.size() && !at_end) return false;
    if (position_ + 1 == bytes.size())
      line_end = 1;
    else if (bytes[position_ + 1] == '\n')
      line_end = 2;
  }
  if (line_end > 0) {
    done = true;
    end_field(close);
    newlines_ += bytes[position_ + line_end - 1] == '\n' ? 1 : 0;
    position_ += line_end;
    return true;
  }
  blame(Fault::kTextAfterQuote, position_, newlines_);
  phase_ = Phase::kPlain;  // read on to the end of the record, so that the next one can be read
  return true;
}

}  // namespace smidgen
