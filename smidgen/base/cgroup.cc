#include "smidgen/base/cgroup.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <vector>

namespace smidgen {

namespace {

// The words of a small file; none when it is not there.
std::vector<std::string> words_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> words;
  for (std::string word; words.size() < 2 && file >> word;) words.push_back(word);
  return words;
}

double number(const std::string& word) {
  return std::strtod(word.c_str(), nullptr);
}

// "max" and -1 are no limit.
void limit_cores(const std::string& quota, const std::string& period, CgroupLimits& limits) {
  if (number(quota) > 0 && number(period) > 0) limits.cores = std::min(limits.cores, number(quota) / number(period));
}
void limit_memory(const std::vector<std::string>& words, CgroupLimits& limits) {
  if (words.empty() || words[0] == "max") return;
  limits.memory_bytes = std::min<std::uint64_t>(limits.memory_bytes, std::strtoull(words[0].c_str(), nullptr, 10));
}

void limit_by(const std::string& folder, CgroupLimits& limits) {
  if (const auto both = words_of(folder + "/cpu.max"); both.size() == 2) limit_cores(both[0], both[1], limits);
  const auto quota = words_of(folder + "/cpu.cfs_quota_us"), period = words_of(folder + "/cpu.cfs_period_us");
  if (!quota.empty() && !period.empty()) limit_cores(quota[0], period[0], limits);
  limit_memory(words_of(folder + "/memory.max"), limits);
  limit_memory(words_of(folder + "/memory.limit_in_bytes"), limits);
}

}  // namespace

CgroupLimits cgroup_limits(const std::string& membership, const std::string& root) {
  CgroupLimits limits;
  std::ifstream file(membership);
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controllers.find("..") != std::string::npos || controllers.find('/') != std::string::npos) continue;
    // Version 2 has no controllers here, and a hierarchy of its own beside those of version 1.
    std::vector<std::string> hierarchies = {root + "/" + controllers};
    if (controllers.empty()) hierarchies = {root, root + "/unified"};
    for (const std::string& hierarchy : hierarchies)
      for (std::string group = line.substr(second + 1);; group.resize(group.rfind('/'))) {
        limit_by(hierarchy + group, limits);
        if (group.find('/') == std::string::npos || group == "/") break;
      }
  }
  return limits;
}

}  // namespace smidgen
