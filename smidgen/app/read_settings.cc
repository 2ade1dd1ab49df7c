#include "smidgen/app/read_settings.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "smidgen/app/nearest.h"
#include "smidgen/app/verbs.h"
#include "smidgen/base/file.h"

namespace smidgen {

namespace {

constexpr std::string_view kSettable[] = {"seed",
                                          "threads",
                                          "quiet",
                                          "plain",
                                          "no-color",
                                          "no-input",
                                          "format",
                                          "delimiter",
                                          "text-column",
                                          "label-column",
                                          "id-column",
                                          "encoder",
                                          "tokens-max",
                                          "precision",
                                          "latency-ms-max",
                                          "memory-mb-max",
                                          "minutes-max",
                                          "large-model",
                                          "prices",
                                          "large-usd-per-1k-rows",
                                          "no-texts",
                                          "top",
                                          "usd-per-core-hour"};
// They decide what a certificate says, and of which rows.
constexpr std::string_view kCertified[] = {"confidence", "split", "group", "time", "recall"};
constexpr char kCertifiedHint[] = "it decides what is certified, so it stands on the command line only";

// `--precision fraud=0.98` is a target of the certificate; `--precision int8` is how the encoder computes.
bool is_target(std::string_view option, std::string_view value) {
  return option == "precision" && value.find('=') != std::string_view::npos;
}

std::string variable_of(std::string_view option) {
  std::string name = "SMIDGEN_";
  for (const char c : option) name += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return name;
}

std::vector<std::string> names_of(std::span<const std::string_view> views) {
  return {views.begin(), views.end()};
}

Status check_names(const std::vector<Setting>& settings) {
  std::vector<std::string> verbs;
  for (const VerbText& verb : kVerbs) verbs.emplace_back(verb.name);
  const auto unknown = [](const Setting& one, const std::string& what, const std::string& word,
                          const std::vector<std::string>& known) {
    Error error = Error(ErrorKind::kConfig, what).in(one.where).at_line(one.line);
    if (const auto likely = likely_names(word, known); !likely.empty())
      return std::move(error).hint(did_you_mean(likely));
    return std::move(error).hint("docs/settings.md lists them; what writes or waives stands on the command line only");
  };
  for (const Setting& one : settings) {
    if (!one.section.empty() && std::find(verbs.begin(), verbs.end(), one.section) == verbs.end())
      return unknown(one, "[" + one.section + "] is not a command", one.section, verbs);
    if (std::find(std::begin(kCertified), std::end(kCertified), one.key) != std::end(kCertified))
      return Error(ErrorKind::kConfig, "no setting `" + one.key + "`")
          .in(one.where)
          .at_line(one.line)
          .hint(kCertifiedHint);
    if (is_target(one.key, one.value))
      return Error(ErrorKind::kConfig, "no setting `" + one.key + "` of a label")
          .in(one.where)
          .at_line(one.line)
          .hint(kCertifiedHint);
    if (std::find(std::begin(kSettable), std::end(kSettable), one.key) == std::end(kSettable))
      return unknown(one, "no setting `" + one.key + "`", one.key, names_of(kSettable));
  }
  return Ok{};
}

Status append_file(const std::string& path, std::vector<Setting>& settings) {
  std::error_code code;
  if (!std::filesystem::exists(path, code)) return Ok{};
  SMIDGEN_ASSIGN(const std::string text, read_file(path, kSettingsBytesMax));
  SMIDGEN_ASSIGN(std::vector<Setting> read, parse_settings(text, path));
  SMIDGEN_TRY(check_names(read));
  // A command's section is nearer than the lines for every command.
  std::stable_partition(read.begin(), read.end(), [](const Setting& one) { return !one.section.empty(); });
  settings.insert(settings.end(), std::make_move_iterator(read.begin()), std::make_move_iterator(read.end()));
  return Ok{};
}

std::string user_file() {
  const char* config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && config[0] == '/') return std::string(config) + "/smidgen/smidgen.conf";
  const char* home = std::getenv("HOME");
  return home == nullptr || home[0] != '/' ? "" : std::string(home) + "/.config/smidgen/smidgen.conf";
}

}  // namespace

std::span<const std::string_view> settable_options() {
  return kSettable;
}

Result<std::vector<Setting>> read_settings() {
  std::vector<Setting> settings;
  for (const std::string_view option : kCertified) {  // ignoring one would promise something else than was asked
    const std::string name = variable_of(option);
    if (const char* value = std::getenv(name.c_str()); value != nullptr && value[0] != '\0')
      return Error(ErrorKind::kConfig, "is no setting").in(name).hint(kCertifiedHint);
  }
  for (const std::string_view option : kSettable) {
    const std::string name = variable_of(option);
    const char* value = std::getenv(name.c_str());
    if (value == nullptr || value[0] == '\0') continue;
    if (is_target(option, value))
      return Error(ErrorKind::kConfig, "is no setting where it is of a label").in(name).hint(kCertifiedHint);
    settings.push_back({"", std::string(option), value, name, 0});
  }
  SMIDGEN_TRY(append_file("smidgen.conf", settings));
  if (const std::string user = user_file(); !user.empty()) SMIDGEN_TRY(append_file(user, settings));
  return settings;
}

}  // namespace smidgen
