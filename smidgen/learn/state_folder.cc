#include "smidgen/learn/state_folder.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "smidgen/base/new_path.h"
#include "smidgen/base/sha256.h"

namespace smidgen {

namespace fs = std::filesystem;

namespace {

constexpr auto kKept = std::chrono::hours(24 * 30);
constexpr std::size_t kKeyDigits = 64, kPlaceDigits = 16;
constexpr std::string_view kCheckpoint = ".checkpoint", kTemporary = ".tmp.";  // the latter of atomic_file.h

bool all_of(std::string_view text, std::string_view characters) {
  return !text.empty() && text.find_first_not_of(characters) == std::string_view::npos;
}

bool is_hexadecimal(std::string_view text, std::size_t digits) {
  return text.size() == digits && all_of(text, "0123456789abcdef");
}

// "tags-0123456789abcdef.checkpoint", or one that was being written: "..checkpoint.tmp.4711".
bool is_checkpoint(std::string_view name) {
  if (const std::size_t at = name.find(kTemporary); at != std::string_view::npos) {
    if (!all_of(name.substr(at + kTemporary.size()), "0123456789")) return false;
    name = name.substr(0, at);
  }
  if (!name.ends_with(kCheckpoint)) return false;
  name.remove_suffix(kCheckpoint.size());
  const std::size_t dash = name.find('-');
  return dash != std::string_view::npos && all_of(name.substr(0, dash), "abcdefghijklmnopqrstuvwxyz") &&
         is_hexadecimal(name.substr(dash + 1), kPlaceDigits);
}

}  // namespace

void remove_abandoned(const std::string& state_folder, const std::string& name) {
  std::error_code code, ignored;
  const auto now = fs::file_time_type::clock::now();
  std::vector<fs::path> old;
  for (fs::directory_iterator it(state_folder, code), end; !code && it != end; it.increment(code)) {
    const std::string found = it->path().filename().string();
    if (found == name || !(is_hexadecimal(found, kKeyDigits) || is_checkpoint(found))) continue;
    const auto changed = fs::last_write_time(it->path(), ignored);
    if (!ignored && now - changed > kKept) old.push_back(it->path());
  }
  for (const fs::path& path : old) fs::remove_all(path, ignored);
}

std::string training_checkpoint(const std::string& state_folder, const std::string& task, const std::string& out,
                                std::vector<std::string>& notes) {
  if (state_folder.empty()) return "";
  std::error_code code;
  Sha256 hash;
  hash.add(fs::absolute(without_end_slashes(out), code).lexically_normal().string());
  std::string name = task + "-" + to_hex(hash.finish()).substr(0, kPlaceDigits) + std::string(kCheckpoint);
  std::string path = state_folder + "/" + name;
  fs::create_directories(state_folder, code);
  const Status writable = check_parent(path);
  if (code || !writable.ok()) {
    notes.push_back("How far training is was not kept: " + (code ? code.message() : writable.error().what()) + ".");
    return "";
  }
  remove_abandoned(state_folder, name);
  return path;
}

}  // namespace smidgen
