#include "smidgen/app/load_data.h"

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

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
  return data;
}

void say_delimiter(const std::string& path, char delimiter, const App& app) {
  if (delimiter != 0)
    app.say("smidgen: " + for_terminal(path, 200) + ": its columns are separated by " + delimiter_in_words(delimiter) +
            "s, as its first line shows (--delimiter says otherwise)");
}

Error missing_file(Error error, const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code code;
  if (error.kind() != ErrorKind::kNoInput || path.empty() || path == "-" || fs::exists(path, code)) return error;
  const fs::path given(path), folder = given.has_parent_path() ? given.parent_path() : fs::path(".");
  if (!fs::is_directory(folder, code)) return std::move(error).hint("there is no folder " + folder.string());
  // By stem, so that a wrong extension is found too and a right one brings no strangers near.
  std::map<std::string, std::string> names;
  for (fs::directory_iterator it(folder, code), end; !code && it != end && names.size() < kNamesMax; it.increment(code))
    names.emplace(it->path().stem().string(), it->path().filename().string());
  std::vector<std::string> stems;
  for (const auto& [stem, name] : names) stems.push_back(stem);
  const auto near = nearest(given.stem().string(), stems);
  if (!near) return std::move(error).hint("check its name, and the folder it is looked for in");
  return std::move(error).hint("did you mean " + (given.parent_path() / names[*near]).string() + "?");
}

Error bundle_error(Error error, const std::string& bundle, const std::string& other, const char* order) {
  std::error_code code;
  const bool swapped =
      !std::filesystem::exists(bundle + "/bundle.json", code) && std::filesystem::exists(other + "/bundle.json", code);
  if (!swapped) return error;
  return std::move(error).hint(std::string("the bundle comes first: ") + order);
}

}  // namespace smidgen
