#include "smidgen/app/demo_data.h"

#include <cmath>
#include <cstdlib>
#include <set>
#include <string_view>

#include "smidgen/app/foreign_text.h"
#include "smidgen/base/file.h"

namespace smidgen {

namespace {

struct Part {
  const char* file;
  const char* kind;
};
constexpr Part kParts[] = {{"tweets_GroundTruth.txt", "tweet"},
                           {"amazonReviewSnippets_GroundTruth.txt", "product_review"},
                           {"movieReviewSnippets_GroundTruth.txt", "film_review"},
                           {"nytEditorialSnippets_GroundTruth.txt", "editorial"}};
constexpr double kClear = 0.5;  // ratings nearer to zero are neither positive nor negative
constexpr std::uint64_t kPartBytesMax = 16ULL << 20;

std::string from_latin1(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out += c;
    } else {
      out += static_cast<char>(0xc0 | (byte >> 6));
      out += static_cast<char>(0x80 | (byte & 0x3f));
    }
  }
  return out;
}

void append_field(std::string& out, std::string_view field) {
  if (field.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += field;
    return;
  }
  out += '"';
  for (const char c : field) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

struct Line {
  std::string_view id, text;
  double mean = 0;
};

Result<Line> split(std::string_view line) {
  const std::size_t first = line.find('\t');
  const std::size_t second = first == std::string_view::npos ? first : line.find('\t', first + 1);
  if (second == std::string_view::npos) return Error::bad_data("three tab-separated fields are wanted");
  Line out{line.substr(0, first), line.substr(second + 1), 0};
  const std::string mean(line.substr(first + 1, second - first - 1));
  char* end = nullptr;
  out.mean = std::strtod(mean.c_str(), &end);
  if (end == mean.c_str() || *end != '\0' || !std::isfinite(out.mean))
    return Error::bad_data("the rating is no number");
  return out;
}

void add_row(DemoTask task, const Part& part, const Line& line, DemoCsv& csv, std::set<std::string>& groups) {
  if (task == DemoTask::kSentiment && std::abs(line.mean) < kClear) return;
  const std::string text(line.text);
  append_field(csv.bytes, valid_utf8(text) == text ? text : from_latin1(text));
  const char* sentiment = line.mean > 0 ? "positive" : "negative";
  const std::string group = std::string(part.kind) + "-" + std::string(line.id.substr(0, line.id.find('_')));
  csv.bytes += std::string(",") + (task == DemoTask::kSentiment ? sentiment : part.kind) + "," + group + "\n";
  ++csv.rows;
  groups.insert(group);
}

}  // namespace

Result<DemoCsv> make_demo_csv(DemoTask task, const std::string& folder) {
  DemoCsv csv;
  csv.bytes = "text,label,group\n";
  std::set<std::string> groups;
  for (const Part& part : kParts) {
    const std::string path = folder + "/" + part.file;
    SMIDGEN_ASSIGN(const std::string bytes, read_file(path, kPartBytesMax));
    std::uint64_t number = 0;
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t end = std::min(bytes.find('\n', at), bytes.size());
      std::string_view line = std::string_view(bytes).substr(at, end - at);
      at = end + 1;
      ++number;
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) continue;
      auto fields = split(line);
      if (!fields.ok()) return std::move(fields).error().in(path).at_line(number);
      add_row(task, part, *fields, csv, groups);
    }
  }
  csv.groups = groups.size();
  return csv;
}

}  // namespace smidgen
