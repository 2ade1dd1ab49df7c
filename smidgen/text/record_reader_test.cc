#include "smidgen/text/record_reader.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "smidgen/base/file.h"
#include "smidgen/base/random.h"
#include "smidgen/text/column_names.h"
#include "smidgen/text/csv_scanner.h"
#include "smidgen/text/record_reader_parts.h"

namespace smidgen {
namespace {

using std::string_literals::operator""s;

// One word a record: "line:text|label|group|time|extra|id" or "line!message".
std::vector<std::string> read_all(std::string_view bytes, const std::string& name, const ReadOptions& options,
                                  std::size_t buffer_bytes = 256 << 10, std::size_t record_bytes_max = 16 << 20) {
  ReadLimits limits;
  limits.buffer_bytes = buffer_bytes;
  limits.record_bytes_max = record_bytes_max;
  auto reader = read_records(memory_byte_source(bytes), name, options, limits);
  if (!reader.ok()) return {"!" + reader.error().message()};
  std::vector<std::string> rows;
  Record record;
  for (;;) {
    const auto found = (*reader)->next(record);
    if (!found.ok()) return {"!!" + found.error().message()};
    if (!*found) return rows;
    if (record.error)
      rows.push_back("!" + record.error->message());
    else
      rows.push_back(std::to_string(record.line) + ":" + record.text + "|" + record.label + "|" + record.group + "|" +
                     record.time + "|" + record.extra + "|" + record.id_json);
  }
}

ReadOptions labelled() {
  ReadOptions options;
  options.label_column = "label";
  return options;
}

using Rows = std::vector<std::string>;

TEST(RecordReader, AWaitForAPipeCanBeCancelled) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "one\ntwo\n", 8), 8);
  int asked = 0;
  auto reader = RecordReader::open("/dev/fd/" + std::to_string(ends[0]),
                                   {.format = DataFormat::kLines, .cancelled = [&] { return ++asked > 3; }});
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  Record record;
  EXPECT_TRUE(*(*reader)->next(record));
  EXPECT_TRUE(*(*reader)->next(record));
  EXPECT_EQ(record.text, "two");
  const auto third = (*reader)->next(record);
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().kind(), ErrorKind::kCancelled);
  EXPECT_EQ(asked, 4);
  ASSERT_EQ(::write(ends[1], "three\n", 6), 6);
  reader = RecordReader::open("/dev/fd/" + std::to_string(ends[0]),
                              {.format = DataFormat::kLines, .cancelled = [] { return false; }});
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  ::close(ends[1]);
  EXPECT_TRUE(*(*reader)->next(record));
  EXPECT_EQ(record.text, "three");
  EXPECT_FALSE(*(*reader)->next(record));
  ::close(ends[0]);
}

// Lines that a person types one by one: the first is answered before there is a second, though it opens like an array.
TEST(RecordReader, DoesNotWaitForMoreThanALineThatNoArrayStartsWith) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ASSERT_EQ(::write(ends[1], "[urgent] help\n", 14), 14);
  int asked = 0;
  auto reader = RecordReader::open("/dev/fd/" + std::to_string(ends[0]), {.cancelled = [&] { return ++asked > 3; }});
  ASSERT_TRUE(reader.ok()) << reader.error().message();
  Record record;
  const auto first = (*reader)->next(record);
  ASSERT_TRUE(first.ok()) << first.error().message();
  EXPECT_EQ(record.text, "[urgent] help");
  ::close(ends[1]);
  ::close(ends[0]);
}

TEST(RecordReader, LooksForAnArrayAsFarAsARecordMayReach) {
  const std::string array = "[{\"text\":1}]";
  const auto found = [&](std::size_t blanks, std::size_t buffer) {
    const Rows rows = read_all(std::string(blanks, '\n') + array, "f.jsonl", {}, buffer, 64);
    return rows.size() == 1 && rows[0].starts_with("!f.jsonl: is one JSON array");
  };
  for (const std::size_t buffer : {1UL, 7UL, 65536UL}) {
    EXPECT_TRUE(found(61, buffer)) << buffer;
    EXPECT_FALSE(found(62, buffer)) << buffer;  // its third letter is the 65th byte
  }
}

TEST(RecordReader, ReadsCsv) {
  EXPECT_EQ(read_all("text,label\na,b\n", "f.csv", labelled()), Rows({"2:a|b||||"}));
  EXPECT_EQ(read_all("\xef\xbb\xbf\r\n\"label\" , text \r\n b ,\" a,\r\n\"\"x\"\" \"\r\n\r\n,\r\nc,d", "f.CSV",
                     ReadOptions{.label_column = "label\" "}),
            Rows({"!f.CSV:2: text after a closing quote (byte 12); write a quote inside a quoted field twice"}));
  EXPECT_EQ(
      read_all("\xef\xbb\xbf\r\n\"label\", text \r\n b ,\" a,\r\n\"\"x\"\" \"\r\n\r\n,\r\nc,d", "f.CSV", labelled()),
      Rows({"3: a,\r\n\"x\" |b||||", "6:|||||", "7:d|c||||"}));
  EXPECT_EQ(read_all("id,text,g,t,x\n007,5\" disk,\"\"\"q\"\"\",2024,\n", "f.csv",
                     ReadOptions{.group_column = "g", .time_column = "t", .extra_column = "x"}),
            Rows({"2:5\" disk||\"q\"|2024||\"007\""}));
  EXPECT_EQ(read_all("text\na\rb\n\"\"\n\r\n", "f.csv", {}), Rows({"2:a\rb|||||", "3:|||||"}));
}

TEST(RecordReader, ReadsTsvJsonlAndLines) {
  EXPECT_EQ(read_all("text\tlabel\na,b\t\"x\ty\"\n", "f.tsv", labelled()), Rows({"2:a,b|x\ty||||"}));
  EXPECT_EQ(read_all("{\"text\":\"a\\u0000b\",\"label\":1,\"id\":[1, 2]}\r\n \n{\"label\":\" t "
                     "\",\"text\":\"\",\"id\":\"\\u00e9\"}\n"
                     "{\"label\":true,\"text\":\"x\",\"id\":null}\n{\"label\":1.50,\"text\":\"x\"}\n{\"label\":null,"
                     "\"text\":\"x\"}",
                     "f.jsonl", labelled()),
            Rows({"1:a\0b|1||||[1,2]"s, "3:|t||||\"\xc3\xa9\"", "4:x|true||||", "5:x|1.5||||", "6:x|||||"}));
  EXPECT_EQ(read_all("{\"text\":\"1e999\",\"id\":12345678901234567890123 ,\"label\":-1e999}\n"
                     "{\"text\":\"x\",\"label\":1,\"id\":[12345678901234567890123],\"v\":1e999}\n"
                     "{\"text\":\"x\",\"label\":1,\"id\":\"7\",\"v\":1e999}\n"
                     "{\"text\":\"x\",\"label\":1,\"id\":7.0,\"v\":1e999}\n{\"text\":1e999,\"label\":1}\n",
                     "f.jsonl", labelled()),
            Rows({"1:1e999|-1e999||||12345678901234567890123", "2:x|1||||[\"12345678901234567890123\"]",
                  "3:x|1||||\"7\"", "4:x|1||||7.0", "!f.jsonl:5: \"text\" must be a string (byte 210)"}))
      << "numbers of any size";
  EXPECT_EQ(read_all("one\r\n\n\"two\"", "f.txt", {}), Rows({"1:one|||||", "2:|||||", "3:\"two\"|||||"}));
  EXPECT_EQ(read_all("\n {\"text\":\"a\"}\n", "<stdin>", {}), Rows({"2:a|||||"})) << "{ first means jsonl";
  EXPECT_EQ(read_all("text,label\n", "<stdin>", {}), Rows({"1:text,label|||||"}));
  EXPECT_EQ(read_all("text\nx\n", "<stdin>", ReadOptions{.format = DataFormat::kCsv}), Rows({"2:x|||||"}));
  EXPECT_EQ(read_all("", "f.txt", {}), Rows());
  EXPECT_EQ(read_all("", "f.jsonl", labelled()), Rows());
  EXPECT_EQ(read_all("text,label\n", "f.csv", labelled()), Rows());
}

TEST(RecordReader, FindsTheDelimiterInTheHeader) {
  const auto found = [](std::string_view bytes, const std::string& name, ReadOptions options = labelled()) {
    return (*RecordReader::from_memory(bytes, name, options))->delimiter_found();
  };
  for (const std::string name : {"f.csv", "f.tsv"}) {
    for (const char between : {',', ';', '\t', '|'}) {
      const std::string d(1, between);
      const std::string bytes =
          "\xef\xbb\xbfid" + d + "\"text\"" + d + "label\r\n1" + d + "\"a" + d + "b,\"" + d + "x\r\n";
      EXPECT_EQ(read_all(bytes, name, labelled()), Rows({"2:a" + d + "b,|x||||\"1\""})) << name << " with " << d;
      EXPECT_EQ(found(bytes, name), between == (name == "f.csv" ? ',' : '\t') ? '\0' : between);
    }
  }
  EXPECT_EQ(read_all("sep=;\r\ntext;label\r\na,b;x\r\n", "f.csv", labelled()), Rows({"3:a,b|x||||"}));
  EXPECT_EQ(read_all("sep=^\ntext^label\na,b^x\n", "f.csv", labelled()), Rows({"3:a,b|x||||"}));
  EXPECT_EQ(found("sep=^\ntext^label\na,b^x\n", "f.csv"), '^');
  // One column that is the text column, whatever its name holds, stays one column.
  EXPECT_EQ(read_all("text\na;b\n", "f.csv", {}), Rows({"2:a;b|||||"}));
  EXPECT_EQ(read_all("a;b\nc;d\n", "f.csv", {.text_column = "a;b"}), Rows({"2:c;d|||||"}));
}

TEST(RecordReader, TakesTheDelimiterAsSaid) {
  ReadOptions options = labelled();
  options.delimiter = ';';
  EXPECT_EQ(read_all("text;label,x\na,b;c\n", "f.csv", ReadOptions{.label_column = "label,x", .delimiter = ';'}),
            Rows({"2:a,b|c||||"}));
  EXPECT_EQ(read_all("text;label\na,b;c\n", "f.tsv", options), Rows({"2:a,b|c||||"}));
  EXPECT_EQ(read_all("text;label\na,b;c\n", "<stdin>", options), Rows({"2:a,b|c||||"}))
      << "CSV, where nothing else says";
  EXPECT_EQ(read_all("text,label\n", "f.csv", options),
            Rows({"!f.csv:1: no column \"text\"; the columns are \"text,label\" (byte 0); the columns seem to be "
                  "separated by commas: pass --delimiter ','"}));
  EXPECT_EQ(read_all("{\"text\":\"a\"}", "f.jsonl", options),
            Rows({"!f.jsonl: a delimiter is for CSV and TSV, and this is read as JSON lines; leave --delimiter out, or "
                  "pass --format csv"}));
}

struct BadInput {
  std::string bytes, name;
  Rows rows;
};

const char kQuoteHint[] = "; close it, or put the whole field in quotes and double those inside";

std::vector<BadInput> bad_files() {
  return {
      {"", "f.csv", {"!f.csv: is empty; the first line must name the columns, one row a line below"}},
      {"\n\r\n", "f.csv", {"!f.csv: is empty; the first line must name the columns, one row a line below"}},
      {"\xef\xbb\xbf", "f.csv", {"!f.csv: is empty; the first line must name the columns, one row a line below"}},
      {"txt,label\n",
       "f.csv",
       {"!f.csv:1: no column \"text\"; the columns are \"txt\", \"label\" (byte 0); did you mean \"txt\"? pass "
        "--text-column txt; the first line must name the columns"}},
      {"Text,label\n",
       "f.csv",
       {"!f.csv:1: no column \"text\"; the columns are \"Text\", \"label\" (byte 0); did you mean \"Text\"? pass "
        "--text-column Text; the first line must name the columns"}},
      {"id,the message,label\n",
       "f.csv",
       {"!f.csv:1: no column \"text\"; the columns are \"id\", \"the message\", \"label\" (byte 0); if \"the message\" "
        "holds the text, pass --text-column \"the message\"; the first line must name the columns"}},
      {"body;kind\nhello;x\n",
       "f.csv",
       {"!f.csv:1: no column \"text\"; the columns are \"body\", \"kind\" (byte 0); pass --text-column NAME; the first "
        "line must name the columns"}},
      {"text;label\na;b;x\n",
       "f.csv",
       {"!f.csv:2: 3 columns, but the header has 2 columns (byte 11); put a text that holds a semicolon in double "
        "quotes"}},
      {"I want my card,card\nhello,x\n",
       "f.csv",
       {"!f.csv:1: no column \"text\"; the columns are \"I want my card\", \"card\" (byte 0); pass --text-column NAME; "
        "the first line must name the columns"}},
      {"text,labels\n",
       "f.csv",
       {"!f.csv:1: no column \"label\"; the columns are \"text\", \"labels\" (byte 0); did you mean \"labels\"? pass "
        "--label-column labels; the first line must name the columns"}},
      {"text,label,x,text\n",
       "f.csv",
       {"!f.csv:1: the header has the name \"text\" twice (columns 1 and 4) (byte 0); rename one of them"}},
      {"text,label\ra,b\r",
       "f.csv",
       {"!f.csv:1: lines end in CR only (byte 0); convert them with tr '\\r' '\\n' < f.csv > f.lf.csv"}},
      {"\xff\xfet\0e\0"s,
       "f.csv",
       {"!f.csv: looks like UTF-16; convert it with iconv -f UTF-16 -t UTF-8 f.csv > f.utf8.csv"}},
      {"\xfe\xff\0t\0e"s,
       "a b/f.jsonl",
       {"!a b/f.jsonl: looks like UTF-16; convert it with iconv -f UTF-16 -t UTF-8 'a b/f.jsonl' > 'a "
        "b/f.utf8.jsonl'"}},
      {"t\0e\0x\0"s,
       "f.csv",
       {"!f.csv: looks like UTF-16; convert it with iconv -f UTF-16LE -t UTF-8 f.csv > f.utf8.csv"}},
      {"\0t\0e\0x"s, "<stdin>", {"!<stdin>: looks like UTF-16; convert it with iconv -f UTF-16BE -t UTF-8"}},
      {"\x1f\x8b\x08", "f.csv.gz", {"!f.csv.gz: is compressed with gzip; unpack it with gunzip -c f.csv.gz > f.csv"}},
      {"\xfd"
       "7zXZ",
       "f.csv.xz",
       {"!f.csv.xz: is compressed with xz; unpack it with unxz -c f.csv.xz > f.csv"}},
      {"BZh91AY", "f.csv.bz2", {"!f.csv.bz2: is compressed with bzip2; unpack it with bunzip2 -c f.csv.bz2 > f.csv"}},
      {"\x1f\x8b\x08", "f.csv", {"!f.csv: is compressed with gzip; unpack it with gunzip -c f.csv > f.unpacked.csv"}},
      {"\x28\xb5\x2f\xfd",
       "f.tsv.zst",
       {"!f.tsv.zst: is compressed with Zstandard; unpack it with unzstd -c f.tsv.zst > f.tsv"}},
      {"PK\x03\x04",
       "f.xlsx",
       {"!f.xlsx: is a ZIP archive or a spreadsheet; unpack it, or save the sheet as CSV (UTF-8)"}},
      {"PAR1",
       "f.parquet",
       {"!f.parquet: is a Parquet file; convert it to CSV or JSON lines, for example with duckdb"}},
      {"[{\"text\":1}]",
       "f.json",
       {"!f.json: is one JSON array; one JSON object a line is wanted; convert it with jq -c '.[]' f.json > f.jsonl"}},
      {"\n[\n  {\n \"text\": 1}]",
       "f.jsonl",
       {"!f.jsonl: is one JSON array; one JSON object a line is wanted; convert it with jq -c '.[]' f.jsonl > "
        "f.lines.jsonl"}},
      {"[{\"text\":1}]",
       "<stdin>",
       {"!<stdin>: is one JSON array; one JSON object a line is wanted; convert it with jq -c '.[]', or, when its "
        "lines "
        "are texts, pass --format lines"}},
      {"a\n",
       "f.txt",
       {"!f.txt: plain lines hold texts only, there is no column \"label\"; name the file .csv, .tsv or .jsonl, or "
        "pass "
        "--format"}},
      {"te\xe9t,label\n",
       "f.csv",
       {"!f.csv:1: invalid UTF-8: byte 0xe9 (byte 2); if the file is Latin-1, convert it with iconv -f ISO-8859-1 -t "
        "UTF-8 f.csv > f.utf8.csv"}},
      {"text,\"label\n",
       "f.csv",
       {"!f.csv:1: unterminated quote: the field that opens here never closes (byte 5)"s + kQuoteHint}},
  };
}

std::vector<BadInput> bad_rows() {
  const std::string header = "text,label\n";
  return {
      {header + "a,b\n\"c\nd,e\nf,g\n",
       "f.csv",
       {"2:a|b||||", "!f.csv:3: unterminated quote: the field that opens here never closes (byte 15)"s + kQuoteHint,
        "4:d|e||||", "5:f|g||||"}},
      {header + "\"a\nb\",\"c",
       "f.csv",
       {"!f.csv:3: unterminated quote: the field that opens here never closes (byte 17)"s + kQuoteHint}},
      {header + "\"a\"b,c\nd,e\n",
       "f.csv",
       {"!f.csv:2: text after a closing quote (byte 14); write a quote inside a quoted field twice", "3:d|e||||"}},
      {header + "\"a\" ,c\nd,e\n",
       "f.csv",
       {"!f.csv:2: text after a closing quote (byte 14); write a quote inside a quoted field twice", "3:d|e||||"}},
      {header + "\"a\"\rb,c\nd,e\n",
       "f.csv",
       {"!f.csv:2: text after a closing quote (byte 14); write a quote inside a quoted field twice", "3:d|e||||"}},
      {header + "a\nd,e\n",
       "f.csv",
       {"!f.csv:2: 1 column, but the header has 2 columns (byte 11); an empty field still needs its comma",
        "3:d|e||||"}},
      {header + "\na,b,c\nd,e\n",
       "f.csv",
       {"!f.csv:3: 3 columns, but the header has 2 columns (byte 12); put a text that holds a comma in double quotes",
        "4:d|e||||"}},
      {"text\tlabel\na\tb\tc\n",
       "f.tsv",
       {"!f.tsv:2: 3 columns, but the header has 2 columns (byte 11); put a text that holds a tab in double quotes"}},
      {header + "\"a\nb\xff\",c\nd,e\n",
       "f.csv",
       {"!f.csv:3: invalid UTF-8: byte 0xff (byte 15); if the file is Latin-1, convert it with iconv -f ISO-8859-1 -t "
        "UTF-8 f.csv > f.utf8.csv",
        "4:d|e||||"}},
      {header + "\"a\n\0\",c\nd,e\n"s,
       "f.csv",
       {"!f.csv:3: NUL byte (byte 14); remove it with tr -d '\\000' < f.csv > f.clean.csv", "4:d|e||||"}},
      {header + std::string(65536, ',') + "\nd,e\n",
       "f.csv",
       {"!f.csv:2: more than 65536 columns (byte 65547)", "3:d|e||||"}},
      {"[]\n{\"text\":\"a\",\"label\":\"b\"}\n",
       "f.jsonl",
       {"!f.jsonl:1: a line must hold one JSON object (byte 0); write one such as {\"text\": \"..\"}", "2:a|b||||"}},
      {"\n{\"text\":\"a\",\"label\":\"b\",\"text\":\"c\"}\n",
       "f.jsonl",
       {"!f.jsonl:2: JSON object has the key \"text\" twice (byte 1); remove one of them"}},
      {"{\"text\":1,\"label\":\"b\"}\n", "f.jsonl", {"!f.jsonl:1: \"text\" must be a string (byte 0)"}},
      {"{\"text\":null,\"label\":\"b\"}\n", "f.jsonl", {"!f.jsonl:1: \"text\" must be a string (byte 0)"}},
      {"{\"text\":\"a\",\"label\":{}}\n",
       "f.jsonl",
       {"!f.jsonl:1: \"label\" must be a string, a number or a boolean (byte 0)"}},
      {"{\"text\":\"a\",\"label\":[1]}\n",
       "f.jsonl",
       {"!f.jsonl:1: \"label\" must be a string, a number or a boolean (byte 0)"}},
      {"{\"tweet\":\"a\",\"label\":\"b\"}\n",
       "f.jsonl",
       {"!f.jsonl:1: no key \"text\"; the keys are \"tweet\", \"label\" (byte 0); if \"tweet\" holds the text, pass "
        "--text-column tweet"}},
      {"{\"text\":\"a\"}\n",
       "f.jsonl",
       {"!f.jsonl:1: no key \"label\"; the keys are \"text\" (byte 0); pass --label-column NAME"}},
      {"{}\n", "f.jsonl", {"!f.jsonl:1: no key \"label\"; the keys are none (byte 0); pass --label-column NAME"}},
      {"{\"text\":\"\xe9\"}\n",
       "f.jsonl",
       {"!f.jsonl:1: invalid UTF-8: byte 0xe9 (byte 9); if the file is Latin-1, convert it with iconv -f ISO-8859-1 -t "
        "UTF-8 f.jsonl > f.utf8.jsonl"}},
  };
}

TEST(RecordReader, OneClearErrorForEachBadFile) {
  for (const BadInput& bad : bad_files())
    for (const std::size_t buffer : {1UL, 7UL, 65536UL})
      EXPECT_EQ(read_all(bad.bytes, bad.name, labelled(), buffer), bad.rows) << bad.bytes;
}

TEST(RecordReader, ABadRowIsAnErrorAndReadingGoesOn) {
  for (const BadInput& bad : bad_rows())
    for (const std::size_t buffer : {1UL, 7UL, 65536UL})
      EXPECT_EQ(read_all(bad.bytes, bad.name, labelled(), buffer), bad.rows) << bad.bytes.substr(0, 80);
}

TEST(RecordReader, BadJsonNamesItsLine) {
  for (const char* bad :
       {"{", "{\"text\":\"a\"} x", "{\"text\":\"\\ud800\"}", "{\"text\":1e}", "{'text':'a'}", "nul"}) {
    const Rows rows = read_all("{\"text\":\"a\"}\n"s + bad + "\n{\"text\":\"z\"}\n", "f.jsonl", {});
    ASSERT_EQ(rows.size(), 3U) << bad;
    EXPECT_TRUE(rows[1].starts_with("!f.jsonl:2: not valid JSON: ")) << rows[1];
    EXPECT_EQ(rows[2], "3:z|||||");
  }
}

TEST(RecordReader, ABadRowKeepsItsIdWhereItCan) {
  for (const auto& [bytes, name] :
       {std::pair("{\"id\":7,\"txt\":\"a\"}"s, "f.jsonl"s), {"id,text\n7,\xff\n", "f.csv"}}) {
    auto reader = RecordReader::from_memory(bytes, name, {});
    ASSERT_TRUE(reader.ok());
    Record record;
    ASSERT_TRUE(*(*reader)->next(record));
    EXPECT_TRUE(record.error);
    EXPECT_EQ(record.id_json, name == "f.csv" ? "\"7\"" : "7");
  }
}

TEST(RecordReader, LimitsARecord) {
  const std::string ten = "0123456789";
  for (const std::size_t buffer : {1UL, 3UL, 64UL}) {
    EXPECT_EQ(
        read_all("text\n" + ten + "\r\n" + ten + "0\n\"" + ten + "\n" + ten + "\"\nz\n", "f.csv", {}, buffer, 10),
        Rows({"2:" + ten + "|||||", "!f.csv:3: record larger than the limit of 10 bytes (byte 17)",
              "!f.csv:4: record larger than the limit of 10 bytes (byte 29); the quote that opens on line 4 is not "
              "closed within that; close it, or double quotes that are text",
              "6:z|||||"}));
    EXPECT_EQ(read_all(ten + "\r\n" + ten + "0\n" + ten + ten + ten + "\nz", "f.txt", {}, buffer, 10),
              Rows({"1:" + ten + "|||||", "!f.txt:2: record larger than the limit of 10 bytes (byte 12)",
                    "!f.txt:3: record larger than the limit of 10 bytes (byte 24)", "4:z|||||"}));
  }
}

TEST(RecordReader, AFieldOf100MegabytesIsOneErrorQuickly) {
  std::string csv = "text,label\n\"";
  csv.append(100 << 20, 'x');
  for (std::size_t at = 100; at < csv.size(); at += 1 << 20) csv[at] = '\n';
  csv += "\",a\nb,c\n";
  const auto start = std::chrono::steady_clock::now();
  const Rows rows = read_all(csv, "f.csv", labelled());
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_EQ(rows,
            Rows({"!f.csv:2: record larger than the limit of 16 MiB (byte 11); the quote that opens on line 2 is not "
                  "closed within that; close it, or double quotes that are text",
                  "103:b|c||||"}));
}

TEST(RecordReader, OpensFilesAndFolders) {
  const std::string path = testing::TempDir() + "smidgen_reader_test." + std::to_string(::getpid()) + ".csv";
  ASSERT_TRUE(write_file_atomic(path, "text\nhello\n").ok());
  auto reader = RecordReader::open(path, {});
  ASSERT_TRUE(reader.ok());
  Record record;
  EXPECT_TRUE(*(*reader)->next(record));
  EXPECT_EQ(record.text, "hello");
  EXPECT_FALSE(*(*reader)->next(record));
  EXPECT_FALSE(*(*reader)->next(record)) << "the end stays the end";
  std::filesystem::remove(path);
  EXPECT_EQ(RecordReader::open(path, {}).error().message(), path + ": no such file");
  EXPECT_EQ(RecordReader::open(path, {}).error().kind(), ErrorKind::kNoInput);
  EXPECT_EQ(RecordReader::open(testing::TempDir(), {}).error().kind(), ErrorKind::kNoInput);
}

// A plain reading of the grammar in csv_scanner.h, byte by byte over the whole text: the reference twin.
std::vector<std::vector<std::string>> reference_csv(std::string_view text) {
  std::vector<std::vector<std::string>> records;
  std::size_t at = 0;
  while (at < text.size()) {
    std::vector<std::string> fields;
    bool more = true;
    while (more) {
      std::string field;
      if (at < text.size() && text[at] == '"') {
        for (++at; at < text.size(); ++at) {
          if (text[at] == '"' && (at + 1 == text.size() || text[at + 1] != '"')) break;
          if (text[at] == '"') ++at;
          field += text[at];
        }
        if (at == text.size()) return {{"unterminated"}};
        ++at;
        if (at < text.size() && text[at] == '\r') ++at;
        if (at < text.size() && text[at] != ',' && text[at] != '\n') return {{"text after quote"}};
      } else {
        while (at < text.size() && text[at] != ',' && text[at] != '\n') field += text[at++];
        if ((at == text.size() || text[at] == '\n') && !field.empty() && field.back() == '\r') field.pop_back();
      }
      more = at < text.size() && text[at] == ',';
      ++at;
      fields.push_back(std::move(field));
    }
    records.push_back(std::move(fields));
  }
  return records;
}

// Through CsvScanner, with the bytes arriving `step` at a time.
std::vector<std::vector<std::string>> scanned_csv(std::string_view text, std::size_t step) {
  std::vector<std::vector<std::string>> records;
  CsvScanner scanner(',');
  while (!text.empty()) {
    scanner.restart();
    std::size_t seen = std::min(step, text.size());
    while (scanner.scan(text.substr(0, seen), seen == text.size()) == CsvScanner::Outcome::kNeedMore)
      seen = std::min(seen + step, text.size());
    if (scanner.fault() == CsvScanner::Fault::kUnterminatedQuote) return {{"unterminated"}};
    if (scanner.fault() == CsvScanner::Fault::kTextAfterQuote) return {{"text after quote"}};
    std::vector<std::string> fields;
    for (const CsvField& field : scanner.fields()) {
      fields.emplace_back();
      append_csv_field(fields.back(), text.substr(field.begin, field.end - field.begin), field.doubled);
    }
    records.push_back(std::move(fields));
    text.remove_prefix(scanner.size());
  }
  return records;
}

TEST(CsvScanner, AgreesWithThePlainReaderOnAnyBytes) {
  Random random(11);
  for (int round = 0; round < 30000; ++round) {
    std::string text;
    const std::size_t length = 1 + random.below(40);
    while (text.size() < length) text += "ab,,\n\n\r\"\""[random.below(9)];
    // A lone CR after a closing quote is an error for one and forgiven by the other: leave those out.
    bool lone = false;
    for (std::size_t i = 0; i < text.size(); ++i)
      lone |= text[i] == '\r' && i > 0 && text[i - 1] == '"' && !(i + 1 == text.size() || text[i + 1] == '\n');
    if (lone) continue;
    const auto wanted = reference_csv(text);
    for (const std::size_t step : {1UL, 2UL, 5UL, 100UL}) ASSERT_EQ(scanned_csv(text, step), wanted) << text;
  }
}

std::string random_field(Random& random) {
  static constexpr const char* kPieces[] = {
      ",", "\"", "\n", "\r\n", "\r", " ", "\t", "word", "\xc3\xa9", "\xf0\x9f\x98\x80", "{", "\\"};
  std::string field;
  const std::size_t pieces = random.below(random.below(20) == 0 ? 300 : 6);
  for (std::size_t i = 0; i < pieces; ++i) field += kPieces[random.below(12)];
  return field;
}

void append_random_csv(std::string& out, const std::string& field, char delimiter, Random& random) {
  const bool must = field.empty() || field.find_first_of(std::string("\"\r\n") + delimiter) != std::string::npos;
  if (!must && random.below(2) == 0) {
    out += field;
    return;
  }
  out += '"';
  for (const char c : field) out += c == '"' ? "\"\"" : std::string(1, c);
  out += '"';
}

TEST(RecordReader, ReadsBackWhatWasWrittenWithAnyQuotingAndBuffer) {
  Random random(3);
  for (int round = 0; round < 300; ++round) {
    const bool tabs = random.below(2) == 0;
    std::string file = random.below(2) == 0 ? "\xef\xbb\xbf" : "";
    file += tabs ? "x\ttext\tid\n" : "x,text,id\n";
    std::vector<std::string> texts;
    const std::size_t rows = random.below(20);
    for (std::size_t row = 0; row < rows; ++row) {
      texts.push_back(random_field(random));
      append_random_csv(file, random_field(random), tabs ? '\t' : ',', random);
      file += tabs ? '\t' : ',';
      append_random_csv(file, texts.back(), tabs ? '\t' : ',', random);
      file += tabs ? '\t' : ',';
      file += std::to_string(row);
      if (row + 1 < rows || random.below(2) == 0) file += random.below(2) == 0 ? "\n" : "\r\n";
    }
    const std::size_t buffer = 1 + random.below(random.below(2) == 0 ? 8 : 300);
    auto reader =
        read_records(memory_byte_source(file), tabs ? "f.tsv" : "f.csv", {}, ReadLimits{.buffer_bytes = buffer});
    ASSERT_TRUE(reader.ok()) << reader.error().message();
    Record record;
    for (std::size_t row = 0; row < rows; ++row) {
      ASSERT_TRUE(*(*reader)->next(record));
      ASSERT_FALSE(record.error) << record.error->message();
      ASSERT_EQ(record.text, texts[row]);
      ASSERT_EQ(record.id_json, "\"" + std::to_string(row) + "\"");
      ASSERT_LT(record.byte, file.size());
      const std::string_view before = std::string_view(file).substr(0, record.byte);
      ASSERT_EQ(record.line, 1U + static_cast<std::uint64_t>(std::count(before.begin(), before.end(), '\n')));
    }
    ASSERT_FALSE(*(*reader)->next(record));
  }
}

TEST(RecordReader, JsonlAndLinesDoNotDependOnTheBuffer) {
  Random random(5);
  for (int round = 0; round < 100; ++round) {
    std::string jsonl, lines;
    for (std::uint64_t row = random.below(20); row > 0; --row) {
      jsonl += "{\"id\":" + std::to_string(row) + ",\"text\":\"" + std::string(random.below(40), 'x') + "\"}";
      jsonl += random.below(3) == 0 ? "\r\n\n" : "\n";
      lines += std::string(random.below(20), 'y') + (random.below(2) == 0 ? "\r\n" : "\n");
    }
    const std::size_t buffer = 1 + random.below(50);
    ASSERT_EQ(read_all(jsonl, "f.jsonl", {}, buffer), read_all(jsonl, "f.jsonl", {}));
    ASSERT_EQ(read_all(lines, "f.txt", {}, buffer), read_all(lines, "f.txt", {}));
  }
}

TEST(FindEither, AgreesWithALoop) {
  Random random(2);
  for (int round = 0; round < 5000; ++round) {
    std::string text(random.below(40), 'x');
    for (char& c : text)
      c = static_cast<char>(random.below(4) == 0 ? (random.below(2) == 0 ? ',' : '\n') : random.below(256));
    for (std::size_t from = 0; from <= text.size(); ++from)
      ASSERT_EQ(find_either(text, from, ',', '\n'), std::min(text.find_first_of(",\n", from), text.size()));
  }
}

TEST(ColumnNames, NearestByEditDistance) {
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("LABEL", "label"), 0U);
  EXPECT_EQ(edit_distance("lable", "label"), 1U) << "two letters swapped";
  EXPECT_EQ(edit_distance("ca", "abc"), 3U) << "a swapped pair is left as it is";
  EXPECT_EQ(nearest_name("label", {"text", "lables", "labels"}), "labels");
  EXPECT_EQ(nearest_name("text", {"id", "txet"}), "txet");
  EXPECT_EQ(nearest_name("label", {"text", "category"}), "");
  EXPECT_EQ(quoted_for_message("\xc3\xa9\xc3\xa9\n", 3), "\"\xc3\xa9...\"");
}

}  // namespace
}  // namespace smidgen
