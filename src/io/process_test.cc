#include "io/process.h"

#include <gtest/gtest.h>

#include "base/clock.h"

namespace freehold::io {
namespace {

const std::function<bool()> kGoOn = [] { return true; };

Result<ProcessOutcome> shell(const std::string& script) {
  return make_system_processes()->run({.arguments = {"sh", "-c", script}, .environment = {}},
                                      kGoOn);
}

TEST(Process, GivesExitCodeAndBothOutputs) {
  const ProcessOutcome outcome = shell("echo out; echo err >&2; exit 3").value();
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.output, "out\nerr\n");
  EXPECT_EQ(shell("kill -9 $$").value().exit_code, 137);
  EXPECT_EQ(shell("cat").value().output, "");  // standard input is empty, not ours
}

TEST(Process, ArgumentsAreNotInterpreted) {
  const ProcessOutcome outcome =
      make_system_processes()
          ->run({.arguments = {"printf", "%s|", "a b", "$HOME;`id`", ""}, .environment = {}}, kGoOn)
          .value();
  EXPECT_EQ(outcome.output, "a b|$HOME;`id`||");
}

TEST(Process, EnvironmentPassesThroughWithChanges) {
  ::setenv("FREEHOLD_TEST_KEPT", "kept", 1);
  ::setenv("FREEHOLD_TEST_CHANGED", "old", 1);
  const ProcessOutcome outcome =
      make_system_processes()
          ->run({.arguments = {"sh", "-c", "echo $FREEHOLD_TEST_KEPT $FREEHOLD_TEST_CHANGED"},
                 .environment = {{"FREEHOLD_TEST_CHANGED", "new"}}},
                kGoOn)
          .value();
  EXPECT_EQ(outcome.output, "kept new\n");
}

TEST(Process, NamesAProgramThatIsNotThere) {
  const auto result = make_system_processes()->run(
      {.arguments = {"freehold-no-such-program"}, .environment = {}}, kGoOn);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kNotFound);
  EXPECT_NE(result.error().message.find("freehold-no-such-program"), std::string::npos);
}

TEST(Process, StopsWithItsChildren) {
  base::SystemClock clock;
  const int64_t start_ns = clock.monotonic_ns();
  int asked = 0;
  const auto result = make_system_processes()->run(
      {.arguments = {"sh", "-c", "sleep 60 & sleep 60"}, .environment = {}},
      [&asked] { return ++asked < 3; });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code, ErrorCode::kInterrupted);
  EXPECT_LT(clock.monotonic_ns() - start_ns, 20'000'000'000);
}

TEST(Process, KeepsTheEndOfLongOutput) {
  const ProcessOutcome outcome =
      shell("i=0; while [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done").value();
  EXPECT_EQ(outcome.output.size(), 65'536u);
  EXPECT_TRUE(outcome.output.ends_with("line 29999\n"));
}

TEST(Process, DoesNotWaitForWhatTheProgramLeftBehind) {
  base::SystemClock clock;
  const int64_t start_ns = clock.monotonic_ns();
  EXPECT_EQ(shell("sleep 5 & echo done").value().output, "done\n");
  EXPECT_LT(clock.monotonic_ns() - start_ns, 4'000'000'000);
}

}  // namespace
}  // namespace freehold::io
