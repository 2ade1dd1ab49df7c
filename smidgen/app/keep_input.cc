#include "smidgen/app/keep_input.h"

#include <filesystem>
#include <system_error>

namespace smidgen {

namespace fs = std::filesystem;

Status keep_input(const std::string& out, std::span<const std::string> inputs) {
  if (out.empty() || out == "-") return Ok{};
  for (const std::string& input : inputs) {
    std::error_code code;
    // A device or a pipe holds nothing to lose.
    if (input.empty() || input == "-" || !fs::is_regular_file(input, code)) continue;
    if (fs::equivalent(out, input, code) && !code)
      return Error(ErrorKind::kCannotCreate, "is also the input and would be lost").in(out).hint("choose another name");
  }
  return Ok{};
}

Status keep_existing(const std::string& out, bool force) {
  std::error_code code;
  if (out.empty() || out == "-") return Ok{};
  if (fs::is_directory(out, code)) return Error(ErrorKind::kCannotCreate, "is a folder").in(out).hint("name a file");
  const fs::path parent = fs::path(out).parent_path();
  if (!parent.empty() && !fs::is_directory(parent, code))
    return Error(ErrorKind::kCannotCreate, "the folder to write to does not exist")
        .in(parent.string())
        .hint("create it first");
  if (!force && fs::is_regular_file(out, code))
    return Error(ErrorKind::kCannotCreate, "already exists").in(out).hint("choose another name or pass --force");
  return Ok{};
}

}  // namespace smidgen
