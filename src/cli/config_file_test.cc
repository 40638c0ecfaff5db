// The configuration file changed key by key: what was there stays, byte for byte, around the
// change.

#include "cli/config_file.h"

#include <gtest/gtest.h>

namespace freehold::cli {
namespace {

constexpr std::string_view kFile =
    "# Mine.\n"
    "\n"
    "threads = 2  # of four\n"
    "system = '''\n"
    "[run]\n"
    "Be brief.''' # 日本\n"
    "\n"
    "# For answers.\n"
    "[run]\n"
    "temperature = 0.5 # cooler\n"
    "  top-k=40\n"
    "\n"
    "[bench]\n"
    "json = true\n";

std::string set(std::string_view text, const std::string& key, std::string_view value) {
  const auto changed = set_config_value(text, key, value);
  return changed.ok() ? *changed : "refused: " + changed.error().message;
}

std::string with(std::string_view old_part, std::string_view new_part) {
  std::string text(kFile);
  return text.replace(text.find(old_part), old_part.size(), new_part);
}

TEST(ConfigFile, AChangedValueChangesNothingElse) {
  EXPECT_EQ(set(kFile, "threads", "8"), with("threads = 2", "threads = 8"));
  EXPECT_EQ(set(kFile, "run.temperature", "1.5"), with("0.5", "1.5"));
  EXPECT_EQ(set(kFile, "run.top-k", "7"), with("top-k=40", "top-k=7"));
  EXPECT_EQ(set(kFile, "system", "\"x\""), with("'''\n[run]\nBe brief.'''", "\"x\""));
  EXPECT_EQ(set("# é\nsystem = \"日本\" # é\n", "system", "\"x\""), "# é\nsystem = \"x\" # é\n");
  EXPECT_EQ(set("run = { top-k = 3, seed = 1 }\n", "run.top-k", "4"),
            "run = { top-k = 4, seed = 1 }\n");
  EXPECT_EQ(set("run.top-k = 3\n", "run.top-k", "4"), "run.top-k = 4\n");
}

TEST(ConfigFile, ANewKeyGoesWhereItBelongs) {
  EXPECT_EQ(set("", "threads", "2"), "threads = 2\n");
  EXPECT_EQ(set("", "run.top-k", "2"), "[run]\ntop-k = 2\n");
  EXPECT_EQ(set("threads = 2", "seed", "1"), "threads = 2\nseed = 1\n");
  EXPECT_EQ(set(kFile, "run.seed", "1"), with("[run]\ntemp", "[run]\nseed = 1\ntemp"));
  EXPECT_EQ(set(kFile, "seed", "1"), with("# For answers.", "seed = 1\n\n# For answers."));
  EXPECT_EQ(set(kFile, "fit.json", "true"), std::string(kFile) + "\n[fit]\njson = true\n");
  EXPECT_EQ(set("# Mine.\n[run]\nseed = 1\n", "threads", "2"),
            "# Mine.\nthreads = 2\n\n[run]\nseed = 1\n");
}

TEST(ConfigFile, AKeyGoesWithItsLine) {
  EXPECT_EQ(*unset_config_value(kFile, "run.temperature"),
            with("temperature = 0.5 # cooler\n", ""));
  EXPECT_EQ(*unset_config_value(kFile, "system"),
            with("system = '''\n[run]\nBe brief.''' # 日本\n", ""));
  EXPECT_EQ(*unset_config_value(kFile, "seed"), kFile);
}

TEST(ConfigFile, WhatCannotBeChangedSafelyIsRefused) {
  // The line holds two values: neither may go unasked.
  const auto removed = unset_config_value("run = { top-k = 3, seed = 1 }\n", "run.top-k");
  ASSERT_FALSE(removed.ok());
  EXPECT_EQ(removed.error().code, ErrorCode::kRefused);
  // A table written inline has no line for a new key.
  EXPECT_FALSE(set_config_value("run = { top-k = 3 }\n", "run.seed", "1").ok());
  EXPECT_EQ(set_config_value("seed = \n", "seed", "1").error().code, ErrorCode::kUsage);
}

TEST(ConfigFile, EntriesHaveTheirLines) {
  EXPECT_EQ(*config_entries("threads = 2\n[run]\nseed = 1\n"),
            (std::vector<ConfigEntry>{{"run.seed", "1", 3}, {"threads", "2", 1}}));
  const std::string odd = "a\"b\\c\n\x01é";
  const std::string text = *set_config_value("", "system", toml_string(odd));
  EXPECT_EQ(config_entries(text)->front().value, odd);
}

}  // namespace
}  // namespace freehold::cli
