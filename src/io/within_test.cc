// What lies outside a folder is not found, by whatever way.

#include "io/within.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace freehold::io {
namespace {

class WithinTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "freehold_within_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    outer_ = std::filesystem::canonical(name);
    root_ = outer_ + "/root";
    std::filesystem::create_directories(root_ + "/a/b");
    std::filesystem::create_directories(outer_ + "/root-beside");
    std::ofstream(root_ + "/a/b/file") << "12345";
    std::ofstream(outer_ + "/outside") << "secret";
    std::ofstream(outer_ + "/root-beside/file") << "secret";
  }
  void TearDown() override { std::filesystem::remove_all(outer_); }
  void link(const std::string& target, const std::string& at) {
    ASSERT_EQ(::symlink(target.c_str(), (root_ + "/" + at).c_str()), 0);
  }
  ErrorCode refused(const std::string& relative) {
    const auto found = find_within(root_, relative);
    return found.ok() ? ErrorCode{0} : found.error().code;
  }
  std::string outer_;
  std::string root_;
};

TEST_F(WithinTest, FindsFilesFoldersAndLinksInside) {
  const WithinEntry file = find_within(root_, "a/b/file").value();
  EXPECT_EQ(file.path, root_ + "/a/b/file");
  EXPECT_EQ(file.bytes, 5u);
  EXPECT_FALSE(file.is_directory);
  EXPECT_TRUE(find_within(root_, "a").value().is_directory);
  EXPECT_TRUE(find_within(root_, ".").value().is_directory);
  link("b/file", "a/relative");
  link(root_ + "/a/b", "absolute");
  EXPECT_EQ(find_within(root_, "a/relative").value().path, file.path);
  EXPECT_EQ(find_within(root_, "absolute/file").value().path, file.path);
  // The folder itself may be reached by a link.
  ASSERT_EQ(::symlink(root_.c_str(), (outer_ + "/door").c_str()), 0);
  EXPECT_EQ(find_within(outer_ + "/door", "a/b/file").value().path, file.path);
  EXPECT_EQ(find_within("/", "proc").value().path, "/proc");
}

TEST_F(WithinTest, RefusesWhatLeadsOut) {
  link("../../outside", "a/up");
  link(outer_ + "/outside", "away");
  link("..", "door");
  link(outer_ + "/root-beside", "beside");
  link("/proc/self/cwd", "magic");
  for (const char* relative : {"a/up", "away", "door/outside", "door", "../outside",
                               "a/../../outside", "beside/file", "magic", "/etc/passwd", ".."}) {
    EXPECT_EQ(refused(relative), ErrorCode::kRefused) << relative;
  }
}

TEST_F(WithinTest, RefusesWhatIsNeitherFileNorFolder) {
  ASSERT_EQ(::mkfifo((root_ + "/pipe").c_str(), 0600), 0);
  EXPECT_EQ(refused("pipe"), ErrorCode::kRefused);
  link("loop", "loop");
  EXPECT_EQ(refused("loop"), ErrorCode::kFailed);
  EXPECT_EQ(refused("nothing"), ErrorCode::kNotFound);
  link("gone", "dangling");
  EXPECT_EQ(refused("dangling"), ErrorCode::kNotFound);
  EXPECT_EQ(find_within(outer_ + "/no-root", "a").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace freehold::io
