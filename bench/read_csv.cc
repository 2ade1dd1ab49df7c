// How fast are records read? Makes CSV, TSV and JSON lines of about 100 bytes a row in memory, reads each a few times
// on one thread and prints megabytes and rows a second of processor time: the best and the median of the rounds.
//
//   bench_read_csv [MEGABYTES=64] [ROUNDS=7]
//   bench_read_csv FILE [ROUNDS=7]          a file of one's own with a column "text"
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "smidgen/base/json_write.h"
#include "smidgen/base/random.h"
#include "smidgen/text/dataset.h"
#include "smidgen/text/record_reader.h"

namespace {

using smidgen::DataFormat;

std::string random_text(smidgen::Random& random, bool quotes) {
  static constexpr const char* kWords[] = {"the",     "card", "payment",     "has",   "not",
                                           "arrived", "yet",  "caf\xc3\xa9", "please"};
  std::string text;
  for (std::uint64_t words = 6 + random.below(20); words > 0; --words) {
    text += kWords[random.below(9)];
    text += words > 1 ? " " : "";
  }
  if (quotes) text += ", he said \"now\"";
  return text;
}

std::string make_file(DataFormat format, std::size_t bytes) {
  smidgen::Random random(1);
  const char delimiter = format == DataFormat::kTsv ? '\t' : ',';
  std::string file = format == DataFormat::kJsonl ? "" : std::string("text") + delimiter + "label\n";
  while (file.size() < bytes) {
    const bool quotes = random.below(4) == 0;
    const std::string text = random_text(random, quotes), label = "label_" + std::to_string(random.below(50));
    if (format == DataFormat::kJsonl) {
      file += "{\"text\":";
      smidgen::append_json_string(file, text);
      file += ",\"label\":\"" + label + "\"}\n";
      continue;
    }
    if (quotes) file += '"';
    for (const char c : text) file += c == '"' && quotes ? "\"\"" : std::string(1, c);
    file += quotes ? std::string("\"") + delimiter : std::string(1, delimiter);
    file += label + "\n";
  }
  return file;
}

// Processor time of this one-threaded program: neighbours on the machine do not count against it.
double seconds_now() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

// Rows read, or 0 with a message.
std::size_t read_once(const std::string& bytes, const std::string& path, const smidgen::ReadOptions& options) {
  auto reader = path.empty() ? smidgen::RecordReader::from_memory(bytes, "memory", options)
                             : smidgen::RecordReader::open(path, options);
  if (!reader.ok()) return std::fprintf(stderr, "%s\n", reader.error().message().c_str()), 0;
  std::size_t rows = 0;
  for (smidgen::Record record;; ++rows) {
    const auto found = (*reader)->next(record);
    if (!found.ok() || !*found) return rows;
    if (record.error) return std::fprintf(stderr, "%s\n", record.error->message().c_str()), 0;
  }
}

void measure(const char* name, const std::string& bytes, const std::string& path, double megabytes,
             const smidgen::ReadOptions& options, int rounds) {
  std::vector<double> seconds;
  std::size_t rows = 0;
  for (int round = 0; round < rounds; ++round) {
    const double start = seconds_now();
    rows = read_once(bytes, path, options);
    seconds.push_back(seconds_now() - start);
    if (rows == 0) return;
  }
  std::sort(seconds.begin(), seconds.end());
  const double median = seconds[seconds.size() / 2];
  std::printf("%-8s %8.0f MB/s best %8.0f MB/s median %10.0f rows/s median\n", name, megabytes / seconds[0],
              megabytes / median, static_cast<double>(rows) / median);
}

}  // namespace

int main(int count, char** arguments) {
  const std::string first = count > 1 ? arguments[1] : "64";
  const int rounds = count > 2 ? std::max(1, std::atoi(arguments[2])) : 7;
  if (first.find_first_not_of("0123456789") != std::string::npos) {
    const double start = seconds_now();
    const auto data = smidgen::Dataset::load(first, {});
    if (!data.ok()) return std::fprintf(stderr, "%s\n", data.error().message().c_str()), data.error().exit_code();
    const double megabytes = static_cast<double>(data->bytes) * 1e-6;
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("dataset  %8.0f MB/s, %zu rows, %zu units, peak memory %.2f x file\n",
                megabytes / (seconds_now() - start), data->size(), data->unit_keys.size(),
                static_cast<double>(usage.ru_maxrss) * 1.024e-3 / megabytes);
    smidgen::ReadOptions options;
    options.label_column = "label";
    measure("records", {}, first, megabytes, options, rounds);
    return 0;
  }
  const std::size_t bytes = static_cast<std::size_t>(std::atoi(first.c_str())) * 1'000'000;
  for (const auto& [name, format] : {std::pair{"csv", DataFormat::kCsv},
                                     {"tsv", DataFormat::kTsv},
                                     {"jsonl", DataFormat::kJsonl},
                                     {"lines", DataFormat::kLines}}) {
    smidgen::ReadOptions options;
    options.format = format;
    if (format != DataFormat::kLines) options.label_column = "label";
    const std::string file = make_file(format, bytes);
    measure(name, file, {}, static_cast<double>(file.size()) * 1e-6, options, rounds);
  }
}
