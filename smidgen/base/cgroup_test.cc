#include "smidgen/base/cgroup.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace smidgen {
namespace {

namespace fs = std::filesystem;

class CgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::temp_directory_path() / ("smidgen_cgroup_" + std::to_string(::getpid()));
    fs::create_directories(root_);
  }
  void TearDown() override { fs::remove_all(root_); }
  void put(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path) << text;
  }
  CgroupLimits limits(const std::string& membership) const {
    put("membership", membership);
    return cgroup_limits((root_ / "membership").string(), root_.string());
  }
  fs::path root_;
  const CgroupLimits none_;
};

TEST_F(CgroupTest, OfVersionTwoTheLeastOfAllAbove) {
  put("cpu.max", "max 100000\n");
  put("a/cpu.max", "150000 100000\n");
  put("a/b/cpu.max", "400000 100000\n");
  put("a/memory.max", "1073741824\n");
  put("a/b/memory.max", "max\n");
  EXPECT_EQ(limits("0::/a/b\n").cores, 1.5);
  EXPECT_EQ(limits("0::/a/b\n").memory_bytes, 1U << 30);
  EXPECT_EQ(limits("0::/\n").cores, none_.cores);
  put("cpu.max", "50000 100000\n");  // as a container sees its own group
  EXPECT_EQ(limits("0::/\n").cores, 0.5);
  EXPECT_EQ(limits("0::/not/here\n").cores, 0.5);
}

TEST_F(CgroupTest, OfVersionOneEachControllerHasAHierarchy) {
  put("cpu,cpuacct/x/cpu.cfs_quota_us", "-1\n");
  put("cpu,cpuacct/x/cpu.cfs_period_us", "100000\n");
  put("cpu,cpuacct/cpu.cfs_quota_us", "200000\n");
  put("cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  put("memory/x/memory.limit_in_bytes", "2048\n");
  const CgroupLimits found = limits("9:name=systemd:/x\n5:memory:/x\n4:cpu,cpuacct:/x\n0::/\n");
  EXPECT_EQ(found.cores, 2);
  EXPECT_EQ(found.memory_bytes, 2048U);
}

TEST_F(CgroupTest, WhatCannotBeReadLimitsNothing) {
  put("a/cpu.max", "rubbish\n");
  put("b/cpu.max", "0 0\n");
  put("b/memory.max", "");
  for (const char* membership : {"", "\n", "0::", "0::/a", "0::/b", "::::", "3:../..:/", "no colons"}) {
    EXPECT_EQ(limits(membership).cores, none_.cores) << membership;
    EXPECT_EQ(limits(membership).memory_bytes, none_.memory_bytes) << membership;
  }
  EXPECT_EQ(cgroup_limits("/nowhere", "/nowhere").cores, none_.cores);
}

}  // namespace
}  // namespace smidgen
