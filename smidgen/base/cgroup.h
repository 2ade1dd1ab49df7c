// What the control group of this process and those above it allow (cgroups(7)): of version 2 `cpu.max` and
// `memory.max`, of version 1 `cpu.cfs_quota_us` with `cpu.cfs_period_us` and `memory.limit_in_bytes`.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace smidgen {

struct CgroupLimits {
  double cores = std::numeric_limits<double>::infinity();  // processor time a second
  std::uint64_t memory_bytes = std::numeric_limits<std::uint64_t>::max();
};
// The least of each. membership: lines "ID:CONTROLLERS:PATH"; root: where the groups' folders are. What cannot be read
// limits nothing.
CgroupLimits cgroup_limits(const std::string& membership = "/proc/self/cgroup",
                           const std::string& root = "/sys/fs/cgroup");

}  // namespace smidgen
