// Pulls by real processes on the machine's files: kill -9, two at once, a full disk, a disk that
// cannot be written, and, when asked for, the real registry.

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "store/store_fixture.h"

namespace freehold::store {
namespace {

/// A folder with a store and a program that stands in for the package client: it copies prepared
/// packages with delays, and writes down what it was asked for.
class PullTest : public testing::Test {
 protected:
  PullTest() : model_(1'200'000, 4), catalogue_(Catalogue::parse(model_.catalogue_json).value()) {}

  void SetUp() override {
    char name[] = "/tmp/freehold_pull_XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    root_ = name;
    home_ = root_ + "/home";
    for (const auto& [package, bytes] : model_.packages) {
      std::ofstream(root_ + "/" + package, std::ios::binary) << bytes;
    }
    write_client();
  }
  void TearDown() override {
    (void)::umount2(home_.c_str(), MNT_DETACH);  // where a test mounted a disk there
    std::filesystem::remove_all(root_);
  }

  void write_client(const std::string& also = "") const {
    std::ofstream(client())
        << "#!/bin/sh\n"
           "while [ $# -gt 0 ]; do case $1 in\n"
           "-d) folder=$2; shift ;; *==*) package=${1%%==*} ;; esac; shift; done\n"
        << "root=" << root_ << "\n"
        << "echo $package >> $root/asked\n"
           "head -c 9999 $root/$package > $TMPDIR/scratch && sleep 0.02\n"
           "cp $root/$package $folder/$package-1.0-py3-none-any.whl || exit 1\n"
        << also;
    ::chmod(client().c_str(), 0755);
  }
  std::string client() const { return root_ + "/client"; }

  Result<PullReport> pull(Observer& observer) {
    return store().pull("tiny", {.offline = false, .registry_client = {client()}}, observer);
  }
  Store store() { return Store::open({*files_, *processes_, clock_, catalogue_}, home_); }

  /// A child that pulls and exits with the error's code.
  pid_t start_pull() {
    const pid_t child = ::fork();
    if (child != 0) return child;
    TestObserver observer;
    const auto result = pull(observer);
    if (testing::Test::HasFailure()) ::_exit(99);  // the observer saw progress go back
    ::_exit(result.ok() ? 0 : static_cast<int>(result.error().code));
  }

  static int wait_for(pid_t child) {
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  std::string read(const std::string& path) {
    return io::read_small_file(*files_, path, 1u << 30).value();
  }
  size_t times_asked(const std::string& package) {
    const std::string asked = read(root_ + "/asked");
    size_t times = 0;
    for (size_t at = asked.find(package); at != std::string::npos;
         at = asked.find(package, at + 1)) {
      ++times;
    }
    return times;
  }
  /// Nothing half visible: every model that is listed verifies.
  void expect_sound() {
    const StoreListing listing = store().list().value();
    EXPECT_TRUE(listing.broken.empty());
    for (const ModelRecord& record : listing.models) {
      TestObserver observer;
      EXPECT_TRUE(store().verify(record.name.text(), observer).ok());
    }
  }

  TestModel model_;
  Catalogue catalogue_;
  std::unique_ptr<io::FileSystem> files_ = io::make_system_files();
  std::unique_ptr<io::ProcessRunner> processes_ = io::make_system_processes();
  base::SystemClock clock_;
  std::string root_;
  std::string home_;
};

TEST_F(PullTest, PullsWithAProcess) {
  TestObserver observer;
  pull(observer).value();
  EXPECT_EQ(read(store().resolve("tiny").value()), model_.content);
  EXPECT_FALSE(std::filesystem::exists(home_ + "/tmp/sha256-" + sha256_of(model_.content)));
}

TEST_F(PullTest, SurvivesKillAtAnyTime) {
  base::RandomStream random(5);
  int killed = 0;
  bool done = false;
  for (int round = 0; round < 40 && !done; ++round) {
    const pid_t child = start_pull();
    ::usleep(1000 * (1 + random.below(static_cast<uint32_t>(20 + 8 * round))));
    ::kill(child, SIGKILL);
    const int code = wait_for(child);
    killed += code == 128 + SIGKILL;
    done = code == 0;
    expect_sound();
  }
  EXPECT_GT(killed, 3);
  TestObserver observer;
  pull(observer).value();
  EXPECT_EQ(read(store().resolve("tiny").value()), model_.content);
  store().copy("tiny", "second").value();  // clears what is left over
  EXPECT_TRUE(std::filesystem::is_empty(home_ + "/tmp"));
}

TEST_F(PullTest, TwoAtOnceFetchOnce) {
  const pid_t first = start_pull();
  const pid_t second = start_pull();
  EXPECT_EQ(wait_for(first), 0);
  EXPECT_EQ(wait_for(second), 0);
  EXPECT_EQ(read(store().resolve("tiny").value()), model_.content);
  for (const auto& [package, bytes] : model_.packages) EXPECT_EQ(times_asked(package), 1u);
}

TEST_F(PullTest, WhoeverWaitsTakesOverWhenTheFirstDies) {
  const pid_t first = start_pull();
  ::usleep(60'000);
  const pid_t second = start_pull();
  ::usleep(20'000);
  ::kill(first, SIGKILL);
  EXPECT_EQ(wait_for(first), 128 + SIGKILL);
  EXPECT_EQ(wait_for(second), 0);
  EXPECT_EQ(read(store().resolve("tiny").value()), model_.content);
}

TEST_F(PullTest, StopsTheClientWhenCancelled) {
  std::ofstream(client()) << "#!/bin/sh\nsleep 60\n";
  TestObserver observer;
  observer.cancel_after = 6;
  const int64_t start_ns = clock_.monotonic_ns();
  EXPECT_EQ(pull(observer).error().code, ErrorCode::kInterrupted);
  EXPECT_LT(clock_.monotonic_ns() - start_ns, 20'000'000'000);
}

TEST_F(PullTest, NoSpaceOnASmallDisk) {
  std::filesystem::create_directory(home_);
  if (::mount("tmpfs", home_.c_str(), "tmpfs", 0, "size=1600k") != 0) {
    GTEST_SKIP() << "mounting a small disk is not permitted here";
  }
  TestObserver observer;
  const Error before = pull(observer).error();
  EXPECT_EQ(before.code, ErrorCode::kFailed);
  EXPECT_NE(before.message.find("no space: this needs"), std::string::npos) << before.message;
  EXPECT_FALSE(std::filesystem::exists(root_ + "/asked"));
  // Room at first, then another program takes it.
  ASSERT_EQ(::mount("tmpfs", home_.c_str(), "tmpfs", MS_REMOUNT, "size=4m"), 0);
  write_client("[ $package = tiny-part3 ] && cat /dev/zero > " + home_ + "/other\nexit 0\n");
  TestObserver second;
  const Error during = pull(second).error();
  EXPECT_EQ(during.code, ErrorCode::kFailed) << during.message;
  EXPECT_NE(during.message.find("space"), std::string::npos) << during.message;
  expect_sound();
  EXPECT_TRUE(store().list().value().models.empty());
  std::filesystem::remove(home_ + "/other");
  write_client();
  TestObserver third;
  EXPECT_GT(pull(third).value().parts_resumed, 0u);
}

TEST_F(PullTest, AReadOnlyDiskIsNamed) {
  std::filesystem::create_directory(home_);
  if (::mount("tmpfs", home_.c_str(), "tmpfs", MS_RDONLY, "size=1m") != 0) {
    GTEST_SKIP() << "mounting a read-only disk is not permitted here";
  }
  TestObserver observer;
  const Error refused = pull(observer).error();
  EXPECT_EQ(refused.code, ErrorCode::kRefused) << refused.message;
  EXPECT_NE(refused.hint.find("FREEHOLD_HOME"), std::string::npos);
}

TEST_F(PullTest, TheRealRegistry) {
  if (std::getenv("FREEHOLD_TEST_NETWORK") == nullptr) {
    GTEST_SKIP() << "needs the network and 93 MB: set FREEHOLD_TEST_NETWORK=1";
  }
  const Catalogue catalogue = Catalogue::built_in();
  Store real = Store::open({*files_, *processes_, clock_, catalogue}, home_);
  TestObserver observer;
  const auto result = real.pull("smollm2", {}, observer);
  if (!result.ok() && result.error().message.find("could not be reached") != std::string::npos) {
    GTEST_SKIP() << result.error().message;
  }
  ASSERT_TRUE(result.ok()) << result.error().message;
  TestObserver verifying;
  EXPECT_TRUE(real.verify("smollm2", verifying).ok());
}

}  // namespace
}  // namespace freehold::store
