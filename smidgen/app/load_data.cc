#include "smidgen/app/load_data.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/nearest.h"
#include "smidgen/text/column_names.h"

namespace smidgen {

namespace {
constexpr std::size_t kNamesMax = 4096;  // of a folder that are looked at for a likely name
}  // namespace

Result<Dataset> load_data(const std::string& path, const ReadOptions& read, const App& app) {
  ReadOptions watched = read;
  watched.cancelled = interrupted;
  auto data = Dataset::load(path, watched);
  if (!data.ok()) return missing_file(std::move(data).error(), path);
  say_delimiter(path, data->delimiter_found, app);
  if (data->rows_unlabelled > 0)
    app.warn(for_terminal(path, 200) + ": the last " + counted(data->rows_unlabelled, "row has", "rows have") +
             " no label yet and " + (data->rows_unlabelled == 1 ? "is" : "are") + " left out");
  return data;
}

void say_delimiter(const std::string& path, char delimiter, const App& app) {
  if (delimiter != 0)
    app.say("smidgen: " + for_terminal(path, 200) + ": its columns are separated by " + delimiter_in_words(delimiter) +
            "s, as its first line shows (--delimiter says otherwise)");
}

void warn_of_table(const std::string& path, const ReadOptions& read, const Record& record, const App& app) {
  // In a table the header is the first line, and in JSON lines a text is not likely to be one.
  if (read.format != DataFormat::kAuto || record.line != 1) return;
  for (const char delimiter : {',', ';', '\t', '|'}) {
    std::size_t columns = 0;
    bool found = false;
    for (std::size_t at = 0; at <= record.text.size(); ++columns) {
      const std::size_t end = std::min(record.text.find(delimiter, at), record.text.size());
      std::string_view name = trim_ascii(std::string_view(record.text).substr(at, end - at));
      if (name.size() > 1 && name.front() == '"' && name.back() == '"') name = name.substr(1, name.size() - 2);
      found = found || name == read.text_column;
      at = end + 1;
    }
    if (columns > 1 && found)
      return app.warn(for_terminal(path == "-" ? "<stdin>" : path, 200) +
                      ": read as plain lines, the first too, which looks like a header; for a table pass --format " +
                      (delimiter == '\t' ? "tsv" : "csv"));
  }
}

namespace {

namespace fs = std::filesystem;

// What stands beside `path` under a name like its own: by stem, so that a wrong extension is found too and a right one
// brings no strangers near.
std::optional<std::string> nearest_beside(const fs::path& path, bool (*fits)(const fs::path&)) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code code;
  std::map<std::string, std::string> names;
  for (fs::directory_iterator it(folder, code), end; !code && it != end && names.size() < kNamesMax; it.increment(code))
    if (fits(it->path())) names.emplace(it->path().stem().string(), it->path().filename().string());
  std::vector<std::string> stems;
  for (const auto& [stem, name] : names) stems.push_back(stem);
  const auto near = nearest(path.stem().string(), stems);
  if (!near) return std::nullopt;
  return (path.parent_path() / names[*near]).string();
}

bool is_file(const fs::path& path) {
  std::error_code code;
  return !fs::is_directory(path, code);
}

bool is_bundle(const fs::path& path) {
  std::error_code code;
  return fs::exists(path / "bundle.json", code);
}

}  // namespace

Error missing_file(Error error, const std::string& path) {
  std::error_code code;
  if (error.kind() != ErrorKind::kNoInput || path.empty() || path == "-" || fs::exists(path, code)) return error;
  const fs::path given(path), folder = given.has_parent_path() ? given.parent_path() : fs::path(".");
  if (!fs::is_directory(folder, code)) return std::move(error).hint("there is no folder " + folder.string());
  const auto near = nearest_beside(given, is_file);
  return std::move(error).hint(near ? "did you mean " + *near + "?"
                                    : "check its name, and the folder it is looked for in");
}

Error bundle_error(Error error, const std::string& bundle, const std::string& other, const char* order) {
  if (bundle.empty() || is_bundle(bundle)) return error;
  if (!other.empty() && is_bundle(other)) return std::move(error).hint(std::string("the bundle comes first: ") + order);
  fs::path path = bundle;
  if (!path.has_filename()) path = path.parent_path();  // "tickets/"
  std::error_code code;
  const auto near = fs::exists(path, code) ? std::nullopt : nearest_beside(path, is_bundle);
  if (!near) return error;
  return Error(error.kind(), error.what()).in(error.file()).hint("did you mean " + *near + "?");
}

}  // namespace smidgen
