#include "smidgen/app/keep_input.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "smidgen/base/atomic_file.h"
#include "smidgen/base/new_path.h"

namespace smidgen {

namespace fs = std::filesystem;

namespace {

// Absolute and without links, as far as it exists; empty when that cannot be found out.
fs::path in_full(const std::string& path) {
  std::error_code code;
  const fs::path absolute = fs::absolute(path, code);
  return code ? fs::path() : fs::weakly_canonical(absolute, code);
}

// Whether `path`, which may not exist yet, is below `folder`.
bool is_inside(const std::string& path, const std::string& folder) {
  std::error_code code;
  if (!fs::is_directory(folder, code)) return false;
  const fs::path outer = fs::canonical(folder, code);
  if (code) return false;
  const fs::path inner = in_full(path);
  const auto at = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  return at.first == outer.end() && at.second != inner.end();
}

}  // namespace

Status keep_input(const std::string& out, std::span<const std::string> inputs) {
  if (out.empty() || out == "-") return Ok{};
  for (const std::string& input : inputs) {
    std::error_code code;
    if (is_inside(out, input))
      return Error(ErrorKind::kCannotCreate, "is inside " + input + ", which is read here and would be damaged")
          .in(out)
          .hint("choose another place");
    // A device or a pipe holds nothing to lose.
    if (input.empty() || input == "-" || !fs::is_regular_file(input, code)) continue;
    if (fs::equivalent(out, input, code) && !code)
      return Error(ErrorKind::kCannotCreate, "is also the input and would be lost").in(out).hint("choose another name");
  }
  return Ok{};
}

bool is_same_file(const std::string& one, const std::string& other) {
  std::error_code code;
  if (one.empty() || other.empty() || one == "-" || other == "-") return false;
  if (fs::exists(one, code) && !fs::is_regular_file(one, code)) return false;
  const fs::path first = in_full(one);
  return (!first.empty() && first == in_full(other)) || fs::equivalent(one, other, code);
}

Status keep_contents(const std::string& folder, const std::string& input) {
  if (folder.empty() || input.empty() || input == "-" || !is_inside(input, folder)) return Ok{};
  return Error(ErrorKind::kCannotCreate, "holds the input " + input + ", which would be lost")
      .in(folder)
      .hint("choose another name");
}

Status keep_apart(const std::string& file, const std::string& folder) {
  const fs::path outer = in_full(without_end_slashes(folder)), inner = in_full(without_end_slashes(file));
  const auto at = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  if (outer.empty() || at.first != outer.end()) return Ok{};
  const std::string where = at.second == inner.end() ? "is the folder " : "is inside ";
  return Error::usage(where + folder + ", which is written as a whole").in(file).hint("choose another place");
}

Status check_names_a_file(const std::string& option, const std::string& value) {
  if (value != "-") return Ok{};
  return Error::usage(option + " takes the name of a file").hint("\"-\" is standard output, which it does not go to");
}

Status keep_existing(const std::string& out, bool force) {
  std::error_code code;
  if (out.empty() || out == "-" || is_stream(out)) return Ok{};
  if (fs::is_directory(out, code)) return Error(ErrorKind::kCannotCreate, "is a folder").in(out).hint("name a file");
  SMIDGEN_TRY(check_parent(write_target(out)));
  if (!force && fs::is_regular_file(out, code))
    return Error(ErrorKind::kCannotCreate, "already exists").in(out).hint("choose another name or pass --force");
  return Ok{};
}

}  // namespace smidgen
