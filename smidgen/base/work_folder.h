// A folder beside something that is being made, for what is measured and thrown away, and at the same time the claim on
// making it: NAME.work, locked for as long as the process lives. A second process that wants to make the same thing
// learns of it at once, not after minutes of work. What a killed process left behind is cleared by the next that comes.
#pragma once

#include <string>
#include <utility>

#include "smidgen/base/result.h"

namespace smidgen {

class WorkFolder {
 public:
  // kLocked when another process makes `out` (with its number), kCannotCreate when the folder cannot be made or holds
  // something that is not ours.
  static Result<WorkFolder> create(const std::string& out);
  WorkFolder(WorkFolder&& other) noexcept
      : path_(std::exchange(other.path_, {})), descriptor_(std::exchange(other.descriptor_, -1)) {}
  WorkFolder& operator=(WorkFolder&&) = delete;
  ~WorkFolder();  // removes it with all it holds

  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  WorkFolder(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  std::string path_;
  int descriptor_;
};

}  // namespace smidgen
