#include "smidgen/text/record_reader.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "smidgen/base/out_of_memory.h"
#include "smidgen/base/utf8.h"
#include "smidgen/text/record_reader_parts.h"
#include "smidgen/text/repair_command.h"

namespace smidgen {

namespace {

constexpr std::size_t kSniffBytes = 4;

// Files that are not text at all, by their first bytes: a clear word beats "invalid UTF-8".
struct Signature {
  std::string_view bytes, what, hint, tool = {}, ending = {};  // tool: ends the hint, with the file's name
};
constexpr Signature kSignatures[] = {
    {{"\xff\xfe\0\0", 4}, "looks like UTF-32", "convert it with ", "iconv -f UTF-32 -t UTF-8"},
    {{"\0\0\xfe\xff", 4}, "looks like UTF-32", "convert it with ", "iconv -f UTF-32 -t UTF-8"},
    {"\xff\xfe", "looks like UTF-16", "convert it with ", "iconv -f UTF-16 -t UTF-8"},
    {"\xfe\xff", "looks like UTF-16", "convert it with ", "iconv -f UTF-16 -t UTF-8"},
    {"\x1f\x8b", "is compressed with gzip", "unpack it with ", "gunzip -c", "gz"},
    {"\x28\xb5\x2f\xfd", "is compressed with Zstandard", "unpack it with ", "unzstd -c", "zst"},
    {"\xfd"
     "7zX",
     "is compressed with xz", "unpack it with ", "unxz -c", "xz"},
    {"BZh9", "is compressed with bzip2", "unpack it with ", "bunzip2 -c", "bz2"},
    {"PK\x03\x04", "is a ZIP archive or a spreadsheet", "unpack it, or save the sheet as CSV (UTF-8)"},
    {"PAR1", "is a Parquet file", "convert it to CSV or JSON lines, for example with duckdb"},
};

std::string extension_of(const std::string& name) {
  const std::size_t dot = name.find_last_of("./");
  if (dot == std::string::npos || name[dot] != '.') return {};
  std::string extension = name.substr(dot + 1);
  for (char& c : extension)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return extension;
}

DataFormat format_by_extension(const std::string& extension) {
  if (extension == "csv") return DataFormat::kCsv;
  if (extension == "tsv" || extension == "tab") return DataFormat::kTsv;
  if (extension == "jsonl" || extension == "ndjson") return DataFormat::kJsonl;
  return DataFormat::kAuto;
}

// The first byte from `at` on that is not white space, where `at` then stands; 0 when the first bytes_max hold none.
Result<char> next_letter(ByteWindow& window, std::size_t& at, std::size_t bytes_max) {
  for (;;) {
    const std::string_view bytes = window.unread().substr(0, bytes_max);
    at = std::min(bytes.find_first_not_of(" \t\r\n", at), bytes.size());
    if (at < bytes.size()) return bytes[at];
    if (window.at_end() || bytes.size() == bytes_max) return '\0';
    SMIDGEN_TRY(window.more());
  }
}

std::string tool_command(const Signature& signature, const std::string& name) {
  if (signature.tool.empty()) return {};
  if (signature.ending.empty()) return repair_command(signature.tool, name, tagged_name(name, "utf8"));
  const bool named_so = extension_of(name) == signature.ending;  // mails.csv.gz
  return repair_command(signature.tool, name, named_so ? with_extension(name, "") : tagged_name(name, "unpacked"));
}

Status check_signature(const OpenedInput& input) {
  const std::string_view start = input.window.unread();
  for (const Signature& signature : kSignatures)
    if (start.starts_with(signature.bytes))
      return Error::bad_data(std::string(signature.what))
          .in(input.name)
          .hint(std::string(signature.hint) + tool_command(signature, input.name));
  // UTF-16 without a mark: the first letter is ASCII, so one of its two bytes is zero.
  const bool big = start.size() >= 4 && start[0] == 0 && start[2] == 0;
  const bool little = start.size() >= 4 && start[1] == 0 && start[3] == 0;
  if (big || little)
    return Error::bad_data("looks like UTF-16")
        .in(input.name)
        .hint("convert it with " + repair_command(big ? "iconv -f UTF-16BE -t UTF-8" : "iconv -f UTF-16LE -t UTF-8",
                                                  input.name, tagged_name(input.name, "utf8")));
  return Ok{};
}

// A JSON array of objects; `named_json`: any array. It reads on only while all letters so far are those of one, so a
// person who types lines is kept waiting by none but "[" or "[{".
Result<bool> starts_array(ByteWindow& window, std::size_t bytes_max, bool named_json) {
  std::size_t at = 0;
  for (const char wanted : {'[', '{', '"'}) {
    SMIDGEN_ASSIGN(const char letter, next_letter(window, at, bytes_max));
    if (letter != wanted) return false;
    if (named_json) return true;
    ++at;
  }
  return true;
}

Error is_array(const std::string& name, const std::string& extension) {
  const std::string made = extension == "json" ? with_extension(name, "jsonl") : tagged_name(name, "lines");
  const bool may_be_lines = extension != "json" && extension != "jsonl";
  return Error::bad_data("is one JSON array; one JSON object a line is wanted")
      .in(name)
      .hint("convert it with " + repair_command("jq -c '.[]'", name, made) +
            (may_be_lines ? ", or, when its lines are texts, pass --format lines" : ""));
}

}  // namespace

std::optional<Error> encoding_error(std::string_view record, std::uint64_t line, std::uint64_t byte,
                                    const std::string& name) {
  const auto bad = first_invalid_utf8(record);
  if (!bad) return std::nullopt;
  static constexpr char kDigits[] = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(record[*bad]);
  const auto lines = std::count(record.begin(), record.begin() + static_cast<std::ptrdiff_t>(*bad), '\n');
  return Error::bad_data(std::string("invalid UTF-8: byte 0x") + kDigits[value >> 4] + kDigits[value & 15])
      .in(name)
      .at_line(line + static_cast<std::uint64_t>(lines))
      .at_byte(byte + *bad)
      .hint("if the file is Latin-1, convert it with " +
            repair_command("iconv -f ISO-8859-1 -t UTF-8", name, tagged_name(name, "utf8")));
}

Error record_too_large(const OpenedInput& input, std::uint64_t line, std::uint64_t byte) {
  const std::size_t limit = input.limits.record_bytes_max;
  const std::string text =
      limit % (1 << 20) == 0 ? std::to_string(limit >> 20) + " MiB" : std::to_string(limit) + " bytes";
  return Error::bad_data("record larger than the limit of " + text).in(input.name).at_line(line).at_byte(byte);
}

Result<std::unique_ptr<RecordReader>> read_records(std::unique_ptr<ByteSource> source, const std::string& name,
                                                   const ReadOptions& options, const ReadLimits& limits) try {
  OpenedInput input{ByteWindow(std::move(source), limits.buffer_bytes, limits.window_bytes_max()), name, limits};
  while (input.window.unread().size() < kSniffBytes && !input.window.at_end()) SMIDGEN_TRY(input.window.more());
  SMIDGEN_TRY(check_signature(input));
  if (input.window.unread().starts_with("\xef\xbb\xbf")) input.window.consume(3);
  DataFormat format = options.format;
  const std::string extension = extension_of(name);
  if (format == DataFormat::kAuto) format = format_by_extension(extension);
  if (format == DataFormat::kAuto || format == DataFormat::kJsonl) {
    SMIDGEN_ASSIGN(const bool array, starts_array(input.window, limits.record_bytes_max, extension == "json"));
    if (array) return is_array(name, extension);
  }
  if (format == DataFormat::kAuto && options.delimiter != 0) format = DataFormat::kCsv;
  if (format == DataFormat::kAuto) {
    std::size_t at = 0;
    SMIDGEN_ASSIGN(const char first, next_letter(input.window, at, limits.record_bytes_max));
    format = first == '{' ? DataFormat::kJsonl : DataFormat::kLines;
  }
  if (options.delimiter != 0 && format != DataFormat::kCsv && format != DataFormat::kTsv)
    return Error::usage("a delimiter is for CSV and TSV, and this is read as " +
                        std::string(format == DataFormat::kJsonl ? "JSON lines" : "plain lines"))
        .in(name)
        .hint("leave --delimiter out, or pass --format csv");
  switch (format) {
    case DataFormat::kCsv:
      return make_delimited_reader(std::move(input), ',', options);
    case DataFormat::kTsv:
      return make_delimited_reader(std::move(input), '\t', options);
    case DataFormat::kJsonl:
      return make_jsonl_reader(std::move(input), options);
    default:
      return make_lines_reader(std::move(input), options);
  }
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

Result<std::unique_ptr<RecordReader>> RecordReader::open(const std::string& path, const ReadOptions& options) try {
  SMIDGEN_ASSIGN(OpenedSource opened, open_byte_source(path, options.cancelled));
  return read_records(std::move(opened.source), path == "-" ? "<stdin>" : path, options);
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

Result<std::unique_ptr<RecordReader>> RecordReader::from_memory(std::string_view bytes, const std::string& name,
                                                                const ReadOptions& options) try {
  return read_records(memory_byte_source(bytes), name, options);
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

}  // namespace smidgen
