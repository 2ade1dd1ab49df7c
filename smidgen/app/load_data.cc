#include "smidgen/app/load_data.h"

#include <filesystem>
#include <utility>

#include "smidgen/app/foreign_text.h"
#include "smidgen/text/column_names.h"

namespace smidgen {

Result<Dataset> load_data(const std::string& path, const ReadOptions& read, const App& app) {
  auto data = Dataset::load(path, read);
  if (data.ok()) say_delimiter(path, data->delimiter_found, app);
  return data;
}

void say_delimiter(const std::string& path, char delimiter, const App& app) {
  if (delimiter != 0)
    app.say("smidgen: " + for_terminal(path, 200) + ": its columns are separated by " + delimiter_in_words(delimiter) +
            "s, as its first line shows (--delimiter says otherwise)");
}

Error bundle_error(Error error, const std::string& bundle, const std::string& other, const char* order) {
  std::error_code code;
  const bool swapped =
      !std::filesystem::exists(bundle + "/bundle.json", code) && std::filesystem::exists(other + "/bundle.json", code);
  if (!swapped) return error;
  return std::move(error).hint(std::string("the bundle comes first: ") + order);
}

}  // namespace smidgen
